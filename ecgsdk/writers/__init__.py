"""Writers: one module a format; `open_writer` picks by the name or as told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import WriteError
from ecgsdk.writers.atomic import check_target
from ecgsdk.writers.writer import Sink, Writer

if TYPE_CHECKING:
    from ecgsdk.batch import Provenance

__all__ = ["FORMATS", "Writer", "open_writer"]

FORMATS = ("hdf5", "npz", "wfdb")
"""Formats that `open_writer` knows."""

_BY_SUFFIX = {".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz"}


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
        format: "hdf5", "npz" or "wfdb"; None tells by the name: .h5 or .hdf5, .npz, and WFDB for a name that ends
            in a slash.
        sampling_rate: Hz.
        total: number of records that will come.
        provenance: what made the ECGs; None for real ones. Synthetic ones are rounded so that the lead equations
            hold, real ones lead by lead.
        overwrite: whether an existing file, or folder of WFDB records, is replaced.

    Raises:
        WriteError: an unknown format, no records, an existing target, or a folder that is missing or not writable.
    """
    chosen = format or _format_of(path)
    if chosen not in FORMATS:
        raise WriteError(f"unknown format {chosen!r}; known: {', '.join(FORMATS)}")
    if total < 1:
        raise WriteError(f"no records to write into {path}")
    target = Path(path)
    check_target(target, overwrite=overwrite, folder=chosen == "wfdb")
    return Writer(target, _open_sink(chosen), sampling_rate=sampling_rate, total=total, provenance=provenance)


def _format_of(path: str | Path) -> str:
    if str(path).endswith(("/", os.sep)):
        return "wfdb"
    suffix = Path(path).suffix.lower()
    if suffix not in _BY_SUFFIX:
        raise WriteError(
            f"the format of {path} is not clear; end it in .h5, .npz or / (a WFDB folder), or name a format"
        )
    return _BY_SUFFIX[suffix]


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
