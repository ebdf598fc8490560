"""Writers: one module a format; `open_writer` picks by the name or as told."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgsdk.errors import WriteError
from ecgsdk.writers.atomic import check_target
from ecgsdk.writers.formats import BUILT_IN
from ecgsdk.writers.journal import take_up
from ecgsdk.writers.spool import OUTPUT
from ecgsdk.writers.writer import Sink, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.plugins import Registration
    from ecgsdk.writers.writer import Header

__all__ = ["FORMATS", "SUFFIXES", "Writer", "open_writer"]

FORMATS = tuple(BUILT_IN)
"""Formats that ecgsdk writes without plugins."""

SUFFIXES = {suffix: name for name, format in BUILT_IN.items() for suffix in format.suffixes}
"""Endings of a file's name that stand for one of `FORMATS`."""


def open_writer(
    path: str | Path,
    format: str | None = None,
    *,
    sampling_rate: float,
    total: int,
    provenance: Provenance | None,
    overwrite: bool = False,
    keep_rate: bool = True,
    resume_key: Callable[[], str] | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> Writer:
    """A writer to be used in a `with` block, with `write(batch)` for each batch in order.

    Args:
        path: a file, or a folder. Its own folder must exist.
        format: "hdf5", "npz", "parquet", "wfdb", "dicom", "edf", "csv" or a plugin's; None tells by the name: .h5 or
            .hdf5, .npz, .parquet, a plugin's suffix, and WFDB for a name that ends in a slash. WFDB, DICOM, EDF+ and
            CSV make a folder of records; a name in .dcm, .edf or .csv is the file of a single one.
        sampling_rate: Hz.
        total: number of records that will come.
        provenance: what made the ECGs; None for real ones. Synthetic ones are rounded so that the lead equations
            hold, real ones lead by lead.
        overwrite: whether an existing file is replaced, or a folder that holds nothing but records of the format.
        keep_rate: DICOM's 12-lead object, the one that viewers open, takes no rate under 200 Hz: slower ECGs become
            Ambulatory ECGs, or are resampled to 500 Hz if this is false. Other formats keep any rate.
        resume_key: gives a text on one line that only a writer of the same records has, empty for none. With it, what
            an interrupted writer left is gone on with: in the `with` block, `written` says how many records are there.
            Until an HDF5, NPZ or Parquet file is complete, this takes its room on the disk once more. The file of a
            single record is always begun anew.
        tell: is told in a line what became of an output that was interrupted, and of a rate that is not kept.

    Raises:
        WriteError: an unknown format, no records or too many, a rate that the format does not take, an existing
            target, or a folder that is missing or not writable.
        RuntimeSetupError: the package that the format needs is not installed.
        PluginError: the plugin of the format fails.
    """
    target, chosen = Path(path), format or _format_of(path)
    settings: dict[str, Any] = {"tell": tell}
    if total < 1:
        raise WriteError(f"no records to write into {path}")
    if chosen in BUILT_IN:
        folder = BUILT_IN[chosen].entries is not None and not _is_single_file(path, chosen)
        _check_fit(target, chosen, sampling_rate, total, folder=folder)
        check: Callable[[], None] = partial(
            check_target, target, overwrite=overwrite, folder=folder, ours=BUILT_IN[chosen].owns
        )
        check()
        open_sink = BUILT_IN[chosen].sink(folder=folder)
        many = folder or BUILT_IN[chosen].entries is None
        key = resume_key() if many and resume_key is not None else ""
        if key:
            key = f"{key} {chosen} {keep_rate}"
            open_sink = partial(open_sink, key=key)
            settings |= {"take_up": partial(take_up, key=key, total=total), "inner": "" if folder else OUTPUT}
        if not keep_rate:
            settings["written_rate"] = BUILT_IN[chosen].written_rate
    else:
        check, open_sink = _plugin_format(target, chosen, overwrite=overwrite)
    settings |= {"sampling_rate": sampling_rate, "total": total, "provenance": provenance}
    return Writer(target, open_sink, check=check, **settings)


def _format_of(path: str | Path) -> str:
    if str(path).endswith(("/", os.sep)):
        return "wfdb"
    name = Path(path).name.lower()
    built_in = SUFFIXES.get(Path(name).suffix)
    if built_in is not None:
        return built_in
    suffixes = {
        suffix: writer.name for writer in _plugins().values() if not writer.folder for suffix in writer.suffixes
    }
    # Of ".edf" and ".edf.gz" the longer one says more.
    for suffix in sorted(suffixes, key=len, reverse=True):
        if name.endswith(suffix):
            return suffixes[suffix]
    endings = ", ".join((*SUFFIXES, *suffixes))
    raise WriteError(f"the format of {path} is not clear; end it in {endings} or / (a WFDB folder), or name a format")


def _is_single_file(path: str | Path, name: str) -> bool:
    return not str(path).endswith(("/", os.sep)) and Path(path).suffix.lower() in BUILT_IN[name].suffixes


def _check_fit(path: Path, name: str, sampling_rate: float, total: int, *, folder: bool) -> None:
    """Raises WriteError for more records than a file holds, or a rate that the format does not take."""
    format = BUILT_IN[name]
    lowest, highest = format.rates
    if not lowest <= sampling_rate <= highest:
        limits = f"{format.title} holds ECGs of {lowest:g} to {highest:g} Hz"
        raise WriteError(f"cannot write {sampling_rate:g} Hz into {path}: {limits}; ask for another sampling rate")
    if format.entries is not None and not folder and total > 1:
        mend = f"name a folder, with --format {name}"
        raise WriteError(f"cannot write {total} records into {path}: a {path.suffix} file holds one; {mend}")


def _plugin_format(
    target: Path, name: str, *, overwrite: bool
) -> tuple[Callable[[], None], Callable[[Path, Header], Sink]]:
    """What checks that `target` is free for a plugin's format, which it is, and the format's sink class."""
    from ecgsdk.plugins import Plugins

    writers = _plugins()
    if name not in writers:
        raise WriteError(f"unknown format {name!r}; known: {', '.join((*FORMATS, *writers))}")
    writer = writers[name]
    check = partial(
        check_target,
        target,
        overwrite=overwrite,
        folder=writer.folder,
        ours=lambda entry: entry.name.lower().endswith(writer.suffixes),
    )
    check()
    return check, partial(_PluginSink, writer, Plugins.make(writer))


class _PluginSink:
    """The sink of a plugin's format, whose failures name the plugin."""

    def __init__(self, writer: Registration, sink: Callable[[Path, Header], Sink], path: Path, header: Header) -> None:
        self._blamed = partial(writer.blamed, "cannot write")
        with self._blamed():
            self._sink = sink(path, header)

    def write(self, batch: ECGBatch) -> None:
        with self._blamed():
            self._sink.write(batch)

    def close(self) -> None:
        with self._blamed():
            self._sink.close()

    def abort(self) -> None:
        self._sink.abort()


def _plugins() -> Mapping[str, Registration]:
    """Formats of installed plugins; looked up only for what is none of ours."""
    from ecgsdk.plugins import installed_plugins

    return installed_plugins().writers()
