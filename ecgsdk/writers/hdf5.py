"""HDF5: one file, signals as 16-bit microvolts, read back by `ecgsdk.readers.hdf5`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from ecgsdk.leads import LEADS
from ecgsdk.readers.hdf5 import FORMAT, FORMAT_VERSION
from ecgsdk.writers.disk import Disk
from ecgsdk.writers.quantise import quantise

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

__all__ = ["Hdf5Sink"]

MILLIVOLTS_PER_UNIT = 0.001
_CHUNK_BYTES = 1 << 19
_TEXT = h5py.string_dtype()
_ROW = np.dtype(
    [
        ("identifier", _TEXT),
        ("statements", _TEXT),
        ("heart_rate", "<f4"),
        ("age", "<f4"),
        ("sex", h5py.string_dtype(length=1)),
    ]
)


class Hdf5Sink:
    """Dataset `signals` (int16, attribute `millivolts_per_unit`), table `conditions`, the rest in root attributes.

    Unknown numbers are NaN and unknown texts are empty. The same records give the same bytes, however they are
    batched: records are written in whole chunks, and no time is stored.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._block = min(header.total, max(1, _CHUNK_BYTES // (len(LEADS) * header.samples * 2)))
        self._derive = header.provenance is not None
        self._waiting: list[np.ndarray] = []
        self._rows: list[tuple[str, str, float, float, str]] = []
        self._written = 0
        self._disk = Disk(path)
        self._file = h5py.File(self._disk, "w")
        shape = (header.total, len(LEADS), header.samples)
        self._signals = self._file.create_dataset(
            "signals",
            shape,
            "<i2",
            chunks=(self._block, *shape[1:]),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            track_times=False,
        )
        self._signals.attrs["millivolts_per_unit"] = MILLIVOLTS_PER_UNIT
        self._signals.attrs["units"] = "uV"
        self._table = self._file.create_dataset("conditions", (header.total,), _ROW, track_times=False)
        _write_attributes(self._file, header)

    def write(self, batch: ECGBatch) -> None:
        """Adds the records of a batch; those that do not fill a chunk wait for the next."""
        self._waiting.append(quantise(batch.signals, MILLIVOLTS_PER_UNIT, derive_leads=self._derive))
        self._rows.extend(
            _row(name, condition) for name, condition in zip(batch.identifiers, batch.conditions, strict=True)
        )
        whole = len(self._rows) // self._block * self._block
        if whole:
            self._flush(whole)

    def close(self) -> None:
        """Writes what waits, and closes the file."""
        self._flush(len(self._rows))
        self._file.close()
        self._disk.close()
        self._disk.check()

    def abort(self) -> None:
        """Closes the file as it is."""
        try:
            self._file.close()
        finally:
            self._disk.close()

    def _flush(self, count: int) -> None:
        signals = np.concatenate(self._waiting)
        for first in range(0, count, self._block):
            last = min(first + self._block, count)
            target = slice(self._written, self._written + last - first)
            self._signals[target] = signals[first:last]
            self._table[target] = np.array(self._rows[first:last], dtype=_ROW)
            self._written = target.stop
        self._disk.check()
        self._waiting = [signals[count:]]
        del self._rows[:count]


def _write_attributes(file: h5py.File, header: Header) -> None:
    attributes = file.attrs
    attributes["format"] = FORMAT
    attributes["format_version"] = FORMAT_VERSION
    attributes.create("leads", LEADS, dtype=_TEXT)
    attributes["sampling_rate"] = header.sampling_rate
    attributes["units"] = f"mV after multiplication by millivolts_per_unit = {MILLIVOLTS_PER_UNIT:g}"
    attributes["synthetic"] = header.provenance is not None
    if header.provenance is not None:
        for name, value in header.provenance.as_dict().items():
            attributes[name] = value


def _row(identifier: str, condition: Condition) -> tuple[str, str, float, float, str]:
    return (
        identifier,
        "+".join(condition.statements),
        np.nan if condition.heart_rate is None else float(condition.heart_rate),  # type: ignore[arg-type]
        np.nan if condition.age is None else float(condition.age),  # type: ignore[arg-type]
        condition.sex or "",
    )
