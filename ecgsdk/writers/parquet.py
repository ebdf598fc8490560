"""Parquet: one file, a row a record, as pandas, polars, DuckDB and Arrow read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow
from pyarrow.parquet import ParquetWriter

from ecgsdk.leads import LEADS
from ecgsdk.limits import LARGEST_PARQUET_GROUP, check_record_size
from ecgsdk.writers.folder import MICROVOLTS_PER_MILLIVOLT
from ecgsdk.writers.marking import FORMAT, FORMAT_VERSION
from ecgsdk.writers.quantise import quantise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

__all__ = ["ParquetRecords"]

_ROW_GROUP_BYTES = 1 << 23
_COLUMNS = [
    ("identifier", pyarrow.string()),
    ("statements", pyarrow.list_(pyarrow.string())),
    ("heart_rate", pyarrow.float64()),
    ("age", pyarrow.float64()),
    ("sex", pyarrow.string()),
    *((lead, pyarrow.list_(pyarrow.float32())) for lead in LEADS),
]


class ParquetRecords:
    """Columns `identifier`, `statements` (list of texts), `heart_rate`, `age`, `sex`, and a list of float32 mV a lead.

    What is unknown is null. Samples are whole microvolts, which takes a third of the room of all digits. The file's
    key-value metadata hold `format`, `format_version`, `sampling_rate` (Hz), `leads` (JSON), `units`, `synthetic` and
    `provenance` (JSON, null for real ECGs). The same records give the same bytes, however they are batched: row groups
    have 8 MB of samples each, the most that waits in memory.

        frame = pandas.read_parquet("ecgs.parquet")
        signals = numpy.stack(frame["II"])  # float32 mV, shape (records, samples)

    Attributes:
        block: records of a row group.
    """

    def __init__(self, path: Path, header: Header) -> None:
        check_record_size(len(LEADS) * header.samples * 4, LARGEST_PARQUET_GROUP, "a row group of a Parquet file")
        self._derive = header.provenance is not None
        self.block = max(1, _ROW_GROUP_BYTES // (len(LEADS) * header.samples * 4))
        self._shape = (-1, len(LEADS), header.samples)
        self._schema = pyarrow.schema(_COLUMNS, metadata=_metadata(header))
        # Python's file, as its errors come back as they are.
        self._file = path.open("wb")
        self._writer = ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            write_statistics=["identifier", "heart_rate", "age", "sex"],
        )

    def units(self, batch: ECGBatch) -> np.ndarray:
        """Signals as int16 microvolts."""
        names, unit = batch.identifiers, 1 / MICROVOLTS_PER_MILLIVOLT
        return quantise(batch.signals, unit, derive_leads=self._derive, identifiers=names)

    def pack(self, units: np.ndarray) -> memoryview:
        """The microvolts' bytes; pyarrow packs them as it writes them."""
        return np.ascontiguousarray(units).data.cast("B")

    def add(self, packed: bytes | memoryview, rows: Sequence[tuple[str, Condition]]) -> None:
        """Adds a row group."""
        units = np.frombuffer(packed, dtype=np.int16).reshape(self._shape)
        names, conditions = zip(*rows, strict=True)
        columns = [
            names,
            [list(condition.statements) for condition in conditions],
            *([getattr(condition, fact) for condition in conditions] for fact in ("heart_rate", "age", "sex")),
        ]
        arrays = [pyarrow.array(column, kind) for column, (_, kind) in zip(columns, _COLUMNS, strict=False)]
        arrays += [_lists(units[:, lead]) for lead in range(len(LEADS))]
        self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema), row_group_size=len(rows))

    def close(self) -> None:
        """Writes the list of contents at the file's end."""
        self._writer.close()
        self._file.close()

    def abort(self) -> None:
        """Closes the file as it is."""
        # Else pyarrow would complete the file once more when the writer is deleted.
        self._writer.is_open = False
        self._file.close()


def _lists(units: np.ndarray) -> pyarrow.ListArray:
    """One lead of some records, int16 µV of shape (n, samples), as n lists of float32 mV."""
    records, samples = units.shape
    ends = np.arange(records + 1, dtype=np.int32) * samples
    millivolts = (units / MICROVOLTS_PER_MILLIVOLT).astype(np.float32)
    return pyarrow.ListArray.from_arrays(pyarrow.array(ends), pyarrow.array(millivolts.ravel()))


def _metadata(header: Header) -> dict[str, str]:
    provenance = header.provenance
    return {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "sampling_rate": repr(header.sampling_rate),
        "leads": json.dumps(LEADS),
        "units": "mV",
        "synthetic": json.dumps(provenance is not None),
        "provenance": json.dumps(provenance.as_dict() if provenance else None),
    }
