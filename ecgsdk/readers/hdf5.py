"""The HDF5 files that ecgsdk writes (`ecgsdk.writers.hdf5`) as an ECGSource."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from ecgsdk.batch import Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.source import ECGSource, lead_order

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FORMAT", "FORMAT_VERSION", "read_hdf5"]

FORMAT = "ecgsdk"
FORMAT_VERSION = 1
"""Name and version of the layout, held in the root attributes `format` and `format_version`."""

# h5py reports damage by any of these, depending on where in the file it lies.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)


def read_hdf5(path: str | Path) -> ECGSource:
    """The ECGs of an HDF5 file written by ecgsdk.

    Raises:
        DataError: the file is missing, damaged, not HDF5, not ecgsdk's, or of a later version of the layout.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            _check_format(path, file)
            return _source(path, file)
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged or not an HDF5 file ({_one_line(error)})") from error


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT:
        raise DataError(f"{path} was not written by ecgsdk; of HDF5 files only those can be read")
    if file.attrs["format_version"] > FORMAT_VERSION:
        raise DataError(f"{path} was written by a later version of ecgsdk; upgrade with pip install -U ecgsdk")


def _source(path: Path, file: h5py.File) -> ECGSource:
    signals, table = file["signals"], file["conditions"][:]
    if signals.ndim != 3 or signals.dtype.kind != "i" or len(signals) != len(table):
        raise DataError(f"{path} is damaged: {signals.shape} signals and {len(table)} conditions")
    order = lead_order(path, file.attrs["leads"])
    return ECGSource(
        name=str(path),
        sampling_rate=float(file.attrs["sampling_rate"]),
        samples=signals.shape[2],
        conditions=tuple(_condition(row) for row in table),
        identifiers=tuple(row["identifier"].decode() for row in table),
        folds=(None,) * len(table),
        read=partial(_read, path, order, float(signals.attrs["millivolts_per_unit"])),
        provenance=Provenance.from_dict(file.attrs) if file.attrs["synthetic"] else None,
    )


def _read(path: Path, order: list[int], millivolts_per_unit: float, chosen: Sequence[int]) -> np.ndarray:
    # One read of a slice is far faster than h5py's selection of single records.
    low, high = (min(chosen), max(chosen) + 1) if len(chosen) else (0, 0)
    spread = high - low > 4 * len(chosen)
    try:
        with h5py.File(path, "r") as file:
            signals = file["signals"]
            units = np.stack([signals[i] for i in chosen]) if spread else signals[low:high][[i - low for i in chosen]]
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged ({_one_line(error)})") from error
    return (units[:, order] * millivolts_per_unit).astype(np.float32)


def _condition(row: np.void) -> Condition:
    sex = row["sex"].decode()
    return Condition(
        statements=tuple(code for code in row["statements"].decode().split("+") if code),
        heart_rate=_known(row["heart_rate"]),
        age=_known(row["age"]),
        sex=sex if sex in ("M", "F") else None,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _one_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
