"""Readers: one module a format, each giving an ECGSource; `read_ecgs` picks by looking at the path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError
from ecgsdk.readers.ptbxl import read_ptbxl
from ecgsdk.readers.source import ECGSource, fitted
from ecgsdk.readers.wfdb import read_wfdb

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ECGSource", "read_ecgs", "read_ptbxl", "read_wfdb"]

_UNDERSTOOD = "a PTB-XL folder, a folder of WFDB records, a .hea file, ecgsdk's own .h5, .hdf5 or .npz"


def read_ecgs(
    path: str | Path,
    *,
    sampling_rate: float | None = None,
    seconds: float | None = None,
    folds: Collection[int] | None = None,
) -> ECGSource:
    """The 12-lead ECGs at `path`, whatever the format.

    Args:
        path: a PTB-XL folder, a folder of WFDB records, a .hea file, or an HDF5 or NPZ file that ecgsdk wrote.
        sampling_rate: Hz. PTB-XL is read at 100 (default) or 500; everything else is resampled.
        seconds: how much of each record's beginning is taken; None takes all.
        folds: only the records of these folds; PTB-XL alone has them.

    Raises:
        DataError: nothing that ecgsdk understands, or see the reader of the format.
    """
    path = Path(path)
    if (path / "ptbxl_database.csv").is_file():
        rate = 100 if sampling_rate is None else sampling_rate
        return fitted(read_ptbxl(path, sampling_rate=rate, folds=folds), seconds=seconds)
    if folds is not None:
        raise DataError(f"{path} has no folds; only PTB-XL has them")
    if path.is_dir() or path.suffix == ".hea":
        return read_wfdb(path, sampling_rate=sampling_rate, seconds=seconds)
    return fitted(_read_file(path), sampling_rate, seconds)


def _read_file(path: Path) -> ECGSource:
    if path.suffix in (".h5", ".hdf5"):
        # Late: h5py takes longer to import than all the rest.
        from ecgsdk.readers.hdf5 import read_hdf5

        return read_hdf5(path)
    if path.suffix == ".npz":
        from ecgsdk.readers.npz import read_npz

        return read_npz(path)
    found = "cannot be told by its name" if path.exists() else "does not exist"
    raise DataError(f"{path} {found}; understood are {_UNDERSTOOD}")
