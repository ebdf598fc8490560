"""HDF5: one file, signals as 16-bit microvolts, read back by `ecgsdk.readers.hdf5`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from ecgsdk.leads import LEADS
from ecgsdk.limits import LARGEST_HDF5_CHUNK, check_record_size
from ecgsdk.writers.deflated import deflated_chunk
from ecgsdk.writers.disk import Disk
from ecgsdk.writers.marking import FORMAT, FORMAT_VERSION
from ecgsdk.writers.quantise import quantise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

    _Row = tuple[str, str, float, float, str]

__all__ = ["Hdf5Records"]

MILLIVOLTS_PER_UNIT = 0.001
_CHUNK_BYTES = 1 << 19
# Rows of the table that wait for each other: writing a few takes HDF5 as long as writing many.
_ROWS_AT_ONCE = 512
_TEXT = h5py.string_dtype()
_COLUMNS = np.dtype(
    [
        ("identifier", _TEXT),
        ("statements", _TEXT),
        ("heart_rate", "<f4"),
        ("age", "<f4"),
        ("sex", h5py.string_dtype(length=1)),
    ]
)


class Hdf5Records:
    """Dataset `signals` (int16, attribute `millivolts_per_unit`), table `conditions`, the rest in root attributes.

    Unknown numbers are NaN and unknown texts are empty. The same records give the same bytes, however they are
    batched: records are written in whole chunks, and no time is stored.

    Attributes:
        block: records of a chunk.
    """

    def __init__(self, path: Path, header: Header) -> None:
        check_record_size(len(LEADS) * header.samples * 2, LARGEST_HDF5_CHUNK, "a chunk of an HDF5 file")
        self.block = min(header.total, max(1, _CHUNK_BYTES // (len(LEADS) * header.samples * 2)))
        self._derive = header.provenance is not None
        self._rows: list[_Row] = []
        self._written = 0
        self._disk = Disk(path)
        self._file = h5py.File(self._disk, "w")
        shape = (header.total, len(LEADS), header.samples)
        self._signals = self._file.create_dataset(
            "signals",
            shape,
            "<i2",
            chunks=(self.block, *shape[1:]),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            track_times=False,
        )
        self._signals.attrs["millivolts_per_unit"] = MILLIVOLTS_PER_UNIT
        self._signals.attrs["units"] = "uV"
        self._table = self._file.create_dataset("conditions", (header.total,), _COLUMNS, track_times=False)
        _write_attributes(self._file, header)

    def units(self, batch: ECGBatch) -> np.ndarray:
        """Signals as int16 microvolts."""
        names = batch.identifiers
        return quantise(batch.signals, MILLIVOLTS_PER_UNIT, derive_leads=self._derive, identifiers=names)

    def pack(self, units: np.ndarray) -> bytes:
        """A chunk as HDF5's filters shuffle and gzip it, filled up with zeros."""
        return deflated_chunk(units, self.block)

    def add(self, packed: bytes | memoryview, rows: Sequence[tuple[str, Condition]]) -> None:
        """Adds a chunk."""
        self._signals.id.write_direct_chunk((self._written, 0, 0), packed)
        self._rows.extend(_row(*row) for row in rows)
        self._written += len(rows)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._write_rows()
        self._disk.check()

    def _write_rows(self) -> None:
        first = self._written - len(self._rows)
        self._table[first : self._written] = np.array(self._rows, dtype=_COLUMNS)
        self._rows.clear()

    def close(self) -> None:
        """Closes the file."""
        if self._rows:
            self._write_rows()
        self._file.close()
        self._disk.close()
        self._disk.check()

    def abort(self) -> None:
        """Closes the file as it is."""
        try:
            self._file.close()
        finally:
            self._disk.close()


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


def _row(identifier: str, condition: Condition) -> _Row:
    return (
        identifier,
        "+".join(condition.statements),
        np.nan if condition.heart_rate is None else float(condition.heart_rate),  # type: ignore[arg-type]
        np.nan if condition.age is None else float(condition.age),  # type: ignore[arg-type]
        condition.sex or "",
    )
