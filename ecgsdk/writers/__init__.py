"""Writers: one module a format; `open_writer` picks by the name or as told."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import WriteError
from ecgsdk.writers.atomic import check_target
from ecgsdk.writers.writer import Sink, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.plugins import Registration
    from ecgsdk.writers.writer import Header

__all__ = ["FORMATS", "SUFFIXES", "Writer", "open_writer"]

FORMATS = ("hdf5", "npz", "wfdb")
"""Formats that ecgsdk writes without plugins."""

SUFFIXES = {".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz"}
"""Endings of a file's name that stand for one of `FORMATS`."""


def open_writer(
    path: str | Path,
    format: str | None = None,
    *,
    sampling_rate: float,
    total: int,
    provenance: Provenance | None,
    overwrite: bool = False,
) -> Writer:
    """A writer to be used in a `with` block, with `write(batch)` for each batch in order.

    Args:
        path: a file, or for WFDB a folder. Its folder must exist.
        format: "hdf5", "npz", "wfdb" or a plugin's; None tells by the name: .h5 or .hdf5, .npz, a plugin's suffix,
            and WFDB for a name that ends in a slash.
        sampling_rate: Hz.
        total: number of records that will come.
        provenance: what made the ECGs; None for real ones. Synthetic ones are rounded so that the lead equations
            hold, real ones lead by lead.
        overwrite: whether an existing file, or folder of WFDB records, is replaced.

    Raises:
        WriteError: an unknown format, no records, an existing target, or a folder that is missing or not writable.
        PluginError: the plugin of the format fails.
    """
    target, chosen = Path(path), format or _format_of(path)
    if total < 1:
        raise WriteError(f"no records to write into {path}")
    if chosen in FORMATS:
        check_target(target, overwrite=overwrite, folder=chosen == "wfdb")
        open_sink: Callable[[Path, Header], Sink] = _open_sink(chosen)
    else:
        open_sink = _open_plugin_sink(target, chosen, overwrite=overwrite)
    return Writer(target, open_sink, sampling_rate=sampling_rate, total=total, provenance=provenance)


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
    endings = ", ".join((".h5", ".npz", *suffixes))
    raise WriteError(f"the format of {path} is not clear; end it in {endings} or / (a WFDB folder), or name a format")


def _open_plugin_sink(target: Path, name: str, *, overwrite: bool) -> Callable[[Path, Header], Sink]:
    """The sink class of a plugin's format, once `target` is known to be free for it."""
    from ecgsdk.plugins import Plugins

    writers = _plugins()
    if name not in writers:
        raise WriteError(f"unknown format {name!r}; known: {', '.join((*FORMATS, *writers))}")
    writer = writers[name]
    check_target(
        target,
        overwrite=overwrite,
        folder=writer.folder,
        ours=lambda entry: entry.name.lower().endswith(writer.suffixes),
    )
    return partial(_PluginSink, writer, Plugins.make(writer))


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


def _open_sink(name: str) -> type[Sink]:
    """The class of a format; imported late, as h5py takes longer to import than all the rest."""
    if name == "hdf5":
        from ecgsdk.writers.hdf5 import Hdf5Sink

        return Hdf5Sink
    if name == "npz":
        from ecgsdk.writers.npz import NpzSink

        return NpzSink
    from ecgsdk.writers.wfdb import WfdbSink

    return WfdbSink
