"""NPZ: one uncompressed file of NumPy arrays without pickles, read by `np.load` and by `ecgsdk.readers.npz`."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from contextlib import ExitStack, suppress
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ecgsdk.leads import LEADS
from ecgsdk.writers.marking import condition_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

__all__ = ["NpzRecords"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_ROWS_AT_ONCE = 1024
_BLOCK_BYTES = 1 << 19


class NpzRecords:
    """Arrays `signals` (float32 mV), `leads`, `sampling_rate`, `units`, `synthetic`, and as JSON texts `conditions` and
    `provenance`.

    Signals go straight into the archive. Conditions wait in a temporary file, as an array of texts is as wide as
    its longest one.

    Attributes:
        block: records of half a megabyte, or one.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._header = header
        self._width = 1
        self.block = max(1, _BLOCK_BYTES // (len(LEADS) * header.samples * 4))
        shape = (header.total, len(LEADS), header.samples)
        with ExitStack() as files:
            self._rows = files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            self._archive = files.enter_context(zipfile.ZipFile(path, "w"))
            self._signals = files.enter_context(_open_array(self._archive, "signals", "<f4", shape))
            self._files = files.pop_all()

    def units(self, batch: ECGBatch) -> np.ndarray:
        """Signals as float32 millivolts."""
        return np.ascontiguousarray(batch.signals, dtype="<f4")

    def pack(self, units: np.ndarray) -> memoryview:
        """The signals' bytes."""
        return np.ascontiguousarray(units).data.cast("B")

    def add(self, packed: bytes | memoryview, rows: Sequence[tuple[str, Condition]]) -> None:
        """Adds a block."""
        self._signals.write(packed)
        for row in rows:
            text = condition_json(*row)
            self._width = max(self._width, len(text))
            self._rows.write(text + "\n")

    def close(self) -> None:
        """Adds the other arrays, and closes the archive."""
        self._signals.close()
        self._write_conditions()
        provenance = self._header.provenance
        _write_array(self._archive, "leads", np.array(LEADS))
        _write_array(self._archive, "sampling_rate", np.array(self._header.sampling_rate))
        _write_array(self._archive, "units", np.array("mV"))
        _write_array(self._archive, "synthetic", np.array(provenance is not None))
        _write_array(self._archive, "provenance", np.array(json.dumps(provenance.as_dict() if provenance else None)))
        self._files.close()

    def abort(self) -> None:
        """Closes all files as they are."""
        with suppress(OSError):
            self._files.close()

    def _write_conditions(self) -> None:
        self._rows.seek(0)
        with _open_array(self._archive, "conditions", f"<U{self._width}", (self._header.total,), packed=True) as member:
            while rows := [line.rstrip("\n") for line in islice(self._rows, _ROWS_AT_ONCE)]:
                member.write(np.array(rows, dtype=f"<U{self._width}").tobytes())


def _open_array(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...], *, packed: bool = False
) -> BinaryIO:
    """A member that holds the head of an array and waits for its data, of any size."""
    member = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    stream = archive.open(member, "w", force_zip64=True)
    try:
        np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    except BaseException:
        stream.close()
        raise
    return stream  # type: ignore[return-value]


def _write_array(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    data = io.BytesIO()
    np.lib.format.write_array(data, array, allow_pickle=False)
    archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH), data.getvalue())
