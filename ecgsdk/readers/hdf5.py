"""The HDF5 files that ecgsdk writes (`ecgsdk.writers.hdf5`) as an ECGSource."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.limits import LARGEST_HDF5_CHUNK
from ecgsdk.readers.marking import condition_of, provenance_of
from ecgsdk.readers.source import ECGSource, lead_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.conditions import Condition

__all__ = ["FORMAT", "FORMAT_VERSION", "read_hdf5"]

FORMAT = "ecgsdk"
FORMAT_VERSION = 1
"""Name and version of the layout, held in the root attributes `format` and `format_version`."""

# h5py reports damage by any of these, depending on where in the file it lies.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError)
_DAMAGED = "is truncated, damaged or not an HDF5 file; copy it again from where it came from, or write it again"
_LONGEST_TEXT = 4096
_ROWS_AT_ONCE = 64


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
    except (*_DAMAGE, MemoryError) as error:
        raise DataError(f"{path} {_DAMAGED}") from error


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT:
        raise DataError(f"{path} was not written by ecgsdk; of HDF5 files only those can be read")
    if file.attrs["format_version"] > FORMAT_VERSION:
        raise DataError(f"{path} was written by a later version of ecgsdk; upgrade with pip install -U ecgsdk")


def _source(path: Path, file: h5py.File) -> ECGSource:
    signals, table = _dataset(path, file, "signals"), _dataset(path, file, "conditions")
    if signals.ndim != 3 or signals.dtype.kind != "i" or table.shape != signals.shape[:1]:
        raise DataError(f"{path} is damaged: {signals.shape} signals and {table.shape} conditions")
    order = lead_order(path, file.attrs["leads"])
    millivolts = float(signals.attrs["millivolts_per_unit"])
    if len(order) != signals.shape[1] or not 0 < millivolts < math.inf:
        raise DataError(f"{path} is damaged: {signals.shape[1]} leads, in units of {millivolts:g} mV")
    parts = (table[first : first + _ROWS_AT_ONCE] for first in range(0, len(table), _ROWS_AT_ONCE))
    rows = [_row(path, row) for part in parts for row in part]
    return ECGSource(
        name=str(path),
        sampling_rate=float(file.attrs["sampling_rate"]),
        samples=signals.shape[2],
        conditions=tuple(condition for _, condition in rows),
        identifiers=tuple(identifier for identifier, _ in rows),
        folds=(None,) * len(rows),
        read=partial(_read, path, order, millivolts),
        provenance=provenance_of(path, file.attrs) if file.attrs["synthetic"] else None,
    )


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """A data set whose values are all in this file: what it announces beyond that would be made up of nothing."""
    dataset = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise DataError(f"{path} is damaged: {name} is no table of its own")
    if dataset.chunks is None:
        whole = dataset.id.get_storage_size() >= dataset.size * dataset.dtype.itemsize
    else:
        chunks = math.prod(-(-length // step) for length, step in zip(dataset.shape, dataset.chunks))
        whole = dataset.id.get_num_chunks() == chunks
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > LARGEST_HDF5_CHUNK:
            raise DataError(
                f"{path}: {name} is stored in chunks of more than {LARGEST_HDF5_CHUNK} bytes; write it again"
            )
    if not whole or dataset.id.get_storage_size() > path.stat().st_size:
        raise DataError(f"{path} {_DAMAGED}")
    return dataset


def _read(path: Path, order: list[int], millivolts_per_unit: float, chosen: Sequence[int]) -> np.ndarray:
    # One read of a slice is far faster than h5py's selection of single records.
    low, high = (min(chosen), max(chosen) + 1) if len(chosen) else (0, 0)
    spread = high - low > 4 * len(chosen)
    try:
        with h5py.File(path, "r") as file:
            signals = file["signals"]
            units = np.stack([signals[i] for i in chosen]) if spread else signals[low:high][[i - low for i in chosen]]
    except _DAMAGE as error:
        raise DataError(f"{path} {_DAMAGED}") from error
    return (units[:, order] * millivolts_per_unit).astype(np.float32)


def _row(path: Path, row: np.void) -> tuple[str, Condition]:
    """Identifier and condition of a record."""
    texts = {name: row[name].decode() for name in ("identifier", "statements", "sex")}
    if max(map(len, texts.values())) > _LONGEST_TEXT:
        raise DataError(f"{path} is damaged: a text of {max(map(len, texts.values()))} characters")
    # By their shortest text, as the file holds the number that is next to 91.6, and 91.6 is meant.
    numbers = {name: float(str(row[name])) for name in ("heart_rate", "age")}
    statements = [code for code in texts["statements"].split("+") if code]
    return texts["identifier"], condition_of(path, {**texts, **numbers, "statements": statements})
