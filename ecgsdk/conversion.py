"""ECGs from any format that is read into any that is written, batch by batch."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import ecgsdk
from ecgsdk.errors import WriteError
from ecgsdk.writers import open_writer
from ecgsdk.writers.atomic import stale_parts
from ecgsdk.writers.journal import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ecgsdk.readers import ECGSource
    from ecgsdk.writers.writer import Header

__all__ = ["check_apart", "convert", "resumable"]

_BATCH = 64
_PACKAGES = ("numpy", "pydicom", "edfio", "h5py", "pyarrow")
"""Packages, beside ecgsdk itself, of which another version may write other bytes."""

_BATCH_BYTES = 64 << 20


def convert(
    source: ECGSource,
    output: str | Path,
    format: str | None = None,
    *,
    overwrite: bool = False,
    keep_rate: bool = True,
    advance: Callable[[int], object] = lambda n: None,
    tell: Callable[[str], object] = lambda line: None,
) -> Header:
    """Writes all records of a source, with identifiers, conditions and, of synthetic ones, what made them.

    Real ECGs stay real: nothing marks them synthetic. At most 64 MiB of signals, or one record, are in memory. The
    output appears when it is complete. The same conversion goes on where it was interrupted or killed, or the disk was
    full; the result is the same as of one that was not. It begins anew where the source's files, the records or the
    options are others. A file of many records (HDF5, NPZ, Parquet) takes its room on the disk twice until it is
    complete: once for what would be gone on with.

    Args:
        source: what `ecgsdk.read_ecgs` gave.
        output: a file, or a folder, as `ecgsdk.open_writer` takes it.
        format: one of `ecgsdk.writers.FORMATS` or a plugin's; None tells by the name.
        overwrite: whether an existing output is replaced.
        keep_rate: as for `ecgsdk.open_writer`.
        advance: is told the number of records written, batch by batch; first those of an interrupted conversion.
        tell: as for `ecgsdk.open_writer`.

    Returns:
        What is true of all records in the output: their number, rate and length.

    Raises:
        DataError: a record cannot be read.
        WriteError: the output cannot be written, exists, or would replace what is read.
    """
    check_apart(source.name, output)
    writer = open_writer(
        output,
        format,
        sampling_rate=source.sampling_rate,
        total=len(source),
        provenance=source.provenance,
        overwrite=overwrite,
        keep_rate=keep_rate,
        resume_key=partial(_resume_key, source),
        tell=tell,
    )
    size = max(1, min(_BATCH, _BATCH_BYTES // (12 * source.samples * 4)))
    with writer as sink:
        advance(sink.written)
        rest = source.select(range(sink.written, len(source))) if sink.written else source
        for batch in rest.batches(size):
            sink.write(batch)
            advance(len(batch))
    return writer.header


def resumable(output: str | Path) -> bool:
    """Whether an interrupted conversion into this output can be gone on with."""
    return any((part / JOURNAL).is_file() for part in stale_parts(Path(output)))


def _resume_key(source: ECGSource) -> str:
    """A hash of all that the written records depend on; empty for a source that is neither a file nor a folder.

    The files' sizes and times tell that a source has not changed. Options that change signals alone, such as a unit,
    show in its first and last record.
    """
    root = Path(source.name)
    if not root.exists():
        return ""
    facts: list[object] = [ecgsdk.__version__, *map(_version, _PACKAGES)]
    facts += [source.sampling_rate, source.samples, source.identifiers, source.conditions, source.provenance]
    digest = hashlib.sha256(repr(facts).encode())
    for path in _files_of(root):
        with suppress(OSError):
            found = os.stat(path)
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode(errors="surrogateescape"))
    digest.update(source.read([0, len(source) - 1]).tobytes())
    return digest.hexdigest()


def _files_of(root: Path) -> Iterator[str]:
    """The files that a source may be made of, in a fixed order; texts, as paths take ten times as long to make."""
    if not root.is_dir():
        yield from sorted(str(path) for path in root.parent.iterdir() if path.stem == root.stem)
        return
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(place, name) for name in sorted(names) if not name.startswith("."))


def _version(package: str) -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return ""


def check_apart(source: str | Path, output: str | Path) -> None:
    """Raises WriteError where `output` is the source, a file or folder, holds it or lies in it.

    In the source folder it would be read with the source the next time.
    """
    # Unlike Path.resolve, realpath takes links that go in circles.
    read, written = Path(os.path.realpath(source)), Path(os.path.realpath(output))
    if not read.exists():
        return
    if read == written or (written.exists() and read.samefile(written)):
        raise WriteError(f"{output} is what is read; choose another name")
    if written in read.parents:
        raise WriteError(f"{output} holds what is read, {source}; choose another name")
    if read in written.parents:
        raise WriteError(f"{output} lies in what is read, {source}; choose a place outside of it")
