"""Readers: one module a format, each giving an ECGSource; `read_ecgs` picks by looking at the path."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError, PluginError
from ecgsdk.readers.ptbxl import read_ptbxl
from ecgsdk.readers.source import ECGSource, fitted
from ecgsdk.readers.wfdb import read_wfdb

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np

    from ecgsdk.plugins import Registration

__all__ = ["FORMATS", "ECGSource", "read_ecgs", "read_ptbxl", "read_wfdb"]

FORMATS = ("ptbxl", "wfdb", "hdf5", "npz")
"""Formats that ecgsdk reads without plugins."""

_UNDERSTOOD = "a PTB-XL folder, a folder of WFDB records, a .hea file, ecgsdk's own .h5, .hdf5 or .npz"
_FILES = (".h5", ".hdf5", ".npz")


def read_ecgs(
    path: str | Path,
    *,
    sampling_rate: float | None = None,
    seconds: float | None = None,
    folds: Collection[int] | None = None,
) -> ECGSource:
    """The 12-lead ECGs at `path`, whatever the format.

    Args:
        path: a PTB-XL folder, a folder of WFDB records, a .hea file, an HDF5 or NPZ file that ecgsdk wrote, or what
            an installed plugin reads.
        sampling_rate: Hz. PTB-XL is read at 100 (default) or 500; everything else is resampled.
        seconds: how much of each record's beginning is taken; None takes all.
        folds: only the records of these folds; PTB-XL alone has them, and what a plugin reads may have.

    Raises:
        DataError: nothing that ecgsdk understands, or see the reader of the format.
        PluginError: the plugin that reads the format fails.
    """
    path = Path(path)
    if (path / "ptbxl_database.csv").is_file():
        rate = 100 if sampling_rate is None else sampling_rate
        return fitted(read_ptbxl(path, sampling_rate=rate, folds=folds), seconds=seconds)
    if _is_wfdb(path):
        _refuse(folds, path)
        return read_wfdb(path, sampling_rate=sampling_rate, seconds=seconds)
    if path.suffix in _FILES:
        _refuse(folds, path)
        return fitted(_read_file(path), sampling_rate, seconds)
    return fitted(_select(_read_with_plugin(path), folds), sampling_rate, seconds)


def _is_wfdb(path: Path) -> bool:
    if path.is_dir():
        return (path / "RECORDS").is_file() or any(path.rglob("*.hea"))
    return path.suffix == ".hea"


def _read_file(path: Path) -> ECGSource:
    if path.suffix == ".npz":
        from ecgsdk.readers.npz import read_npz

        return read_npz(path)
    # Late: h5py takes longer to import than all the rest.
    from ecgsdk.readers.hdf5 import read_hdf5

    return read_hdf5(path)


def _read_with_plugin(path: Path) -> ECGSource:
    from ecgsdk.plugins import installed_plugins

    plugins = installed_plugins()
    reader = _recognising(path, plugins.readers())
    with reader.blamed(f"cannot read {path}"):
        source = plugins.make(reader)(path)
    if not isinstance(source, ECGSource):
        raise PluginError(f"reader {reader.name} of {reader.owner} gave {type(source).__name__}, not an ECGSource")
    return replace(source, read=partial(_read_blamed, reader, source.name, source.read))


def _recognising(path: Path, readers: Mapping[str, Registration]) -> Registration:
    """The first registered reader, by name, that recognises the path."""
    known = [_UNDERSTOOD, *(f"{name} (plugin {reader.plugin})" for name, reader in sorted(readers.items()))]
    if not path.exists():
        raise DataError(f"{path} does not exist; understood are {', '.join(known)}")
    for _, reader in sorted(readers.items()):
        with reader.blamed(f"cannot say whether it reads {path}"):
            if reader.recognises is not None and reader.recognises(path):
                return reader
    found = "holds no WFDB records (.hea files)" if path.is_dir() else "cannot be told by its name"
    raise DataError(f"{path} {found}; understood are {', '.join(known)}")


def _read_blamed(
    reader: Registration, name: str, read: Callable[[Sequence[int]], np.ndarray], chosen: Sequence[int]
) -> np.ndarray:
    """Signals from a plugin's source, whose failures name the plugin."""
    with reader.blamed(f"cannot read {name}"):
        return read(chosen)


def _refuse(folds: Collection[int] | None, path: Path) -> None:
    if folds is not None:
        raise DataError(f"{path} has no folds; only PTB-XL has them")


def _select(source: ECGSource, folds: Collection[int] | None) -> ECGSource:
    """Only the records of these folds, of a plugin's source."""
    if folds is None:
        return source
    positions = [i for i, fold in enumerate(source.folds) if fold in folds]
    if not positions:
        raise DataError(f"{source.name} has no records in folds {sorted(folds)}")
    return source.select(positions)
