"""ECGs from any format that is read into any that is written, batch by batch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import WriteError
from ecgsdk.writers import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.readers import ECGSource

__all__ = ["check_apart", "convert", "interrupted_conversions"]

_BATCH = 64
_BATCH_BYTES = 64 << 20


def convert(
    source: ECGSource,
    output: str | Path,
    format: str | None = None,
    *,
    overwrite: bool = False,
    advance: Callable[[int], object] = lambda n: None,
) -> int:
    """Writes all records of a source, with identifiers, conditions and, of synthetic ones, what made them.

    Real ECGs stay real: nothing marks them synthetic. At most 64 MiB of signals, or one record, are in memory. The
    output appears when it is complete; a conversion that was killed is begun again from its first record.

    Args:
        source: what `ecgsdk.read_ecgs` gave.
        output: a file, or a folder, as `ecgsdk.open_writer` takes it.
        format: one of `ecgsdk.writers.FORMATS` or a plugin's; None tells by the name.
        overwrite: whether an existing output is replaced.
        advance: is told the number of records written, batch by batch.

    Returns:
        The number of records.

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
    )
    size = max(1, min(_BATCH, _BATCH_BYTES // (12 * source.samples * 4)))
    with writer as sink:
        for batch in source.batches(size):
            sink.write(batch)
            advance(len(batch))
    return len(source)


def check_apart(source: str | Path, output: str | Path) -> None:
    """Raises WriteError where `output` would replace the source, a file or folder, or a part of it.

    A new name beside the files of a source folder replaces none of them.
    """
    # Unlike Path.resolve, realpath takes links that go in circles.
    read, written = Path(os.path.realpath(source)), Path(os.path.realpath(output))
    if not read.exists():
        return
    if read == written or (written.exists() and read.samefile(written)):
        raise WriteError(f"{output} is what is read; choose another name")
    if written in read.parents:
        raise WriteError(f"{output} holds what is read, {source}; choose another name")
    if read in written.parents and os.path.lexists(output):
        raise WriteError(f"{output} lies in what is read, {source}, and is not overwritten; choose another name")


def interrupted_conversions(output: str | Path) -> tuple[Path, ...]:
    """Hidden parts beside `output` that conversions left which were killed, or that others are writing now."""
    path = Path(output)
    prefix = f".{path.name}.part-"
    try:
        return tuple(sorted(entry for entry in path.parent.iterdir() if entry.name.startswith(prefix)))
    except OSError:
        return ()
