"""The NPZ files that ecgsdk writes (`ecgsdk.writers.npz`) as an ECGSource."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS
from ecgsdk.readers.damage import first_line
from ecgsdk.readers.marking import condition_of, identifier_of, provenance_of
from ecgsdk.readers.records import check_numbers
from ecgsdk.readers.source import ECGSource, lead_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.conditions import Condition

__all__ = ["read_npz"]

# What zipfile, zlib, json and NumPy's header parser raise on damage.
_DAMAGE: tuple[type[Exception], ...] = (
    AttributeError,
    EOFError,
    IndexError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_CHANGED: tuple[type[Exception], ...] = (OSError, KeyError, *_DAMAGE)
_LARGEST_FACT = 1 << 20
_LARGEST_ROW = 1 << 18
_LOCAL_HEADER = struct.Struct("<26xHH")
"""A local file header of a zip archive as far as it is needed: lengths of the name and of the extra field."""


def read_npz(path: str | Path) -> ECGSource:
    """The ECGs of an NPZ file written by ecgsdk.

    Raises:
        DataError: the file is missing, damaged, compressed, or not one of ecgsdk's.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            order = lead_order(path, _array(archive, "leads"))
            sampling_rate = float(_array(archive, "sampling_rate"))
            provenance = json.loads(str(_array(archive, "provenance")))
            signals = _map_signals(path)
            rows = _rows(path, archive, len(signals))
        return ECGSource(
            name=str(path),
            sampling_rate=sampling_rate,
            samples=signals.shape[2],
            conditions=tuple(condition for _, condition in rows),
            identifiers=tuple(identifier for identifier, _ in rows),
            folds=(None,) * len(rows),
            read=partial(_read, path, order),
            provenance=provenance_of(path, provenance),
        )
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except KeyError as error:
        raise DataError(f"{path} was not written by ecgsdk ({error}); of NPZ files only those can be read") from error
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged, or was not written by ecgsdk ({first_line(error)})") from error


def _read(path: Path, order: list[int], chosen: Sequence[int]) -> np.ndarray:
    try:
        signals = _map_signals(path)
        records = np.array(signals[list(chosen)][:, order], dtype=np.float32)
    except _CHANGED as error:
        raise DataError(f"{path} changed or was damaged while it was read ({first_line(error)})") from error
    return check_numbers(path, records)


def _map_signals(path: Path) -> np.ndarray:
    """The signals where they lie in the archive: mapped, so that only the records asked for come into memory."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("signals.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError("its signals are compressed")
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            if version != (1, 0):
                raise ValueError(f"signals.npy has version {version}")
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
            header_size = stream.tell()
    if len(shape) != 3 or fortran_order or dtype.kind != "f" or shape[1] != len(LEADS) or min(shape) < 1:
        raise ValueError(f"signals of shape {shape} and type {dtype}")
    with path.open("rb") as file:
        file.seek(member.header_offset)
        start = member.header_offset + 30 + sum(_LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size)))
    return np.memmap(path, dtype=dtype, mode="r", offset=start + header_size, shape=shape)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One of the small arrays, which a compressed archive must not make large."""
    if archive.getinfo(f"{name}.npy").file_size > _LARGEST_FACT:
        raise ValueError(f"{name} has more than {_LARGEST_FACT} bytes")
    with archive.open(f"{name}.npy") as stream:
        data = stream.read(_LARGEST_FACT + 1)
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _rows(path: Path, archive: zipfile.ZipFile, count: int) -> list[tuple[str, Condition]]:
    """Identifier and condition of each record, from texts of which no more than one is unpacked at a time."""
    rows = []
    with archive.open("conditions.npy") as stream:
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != (count,) or dtype.kind != "U" or not 0 < dtype.itemsize <= _LARGEST_ROW:
            raise ValueError(f"conditions of shape {shape} and type {dtype} for {count} signals")
        for _ in range(count):
            data = stream.read(dtype.itemsize)
            if len(data) < dtype.itemsize:
                raise EOFError("its conditions end before the last record")
            facts = json.loads(str(np.frombuffer(data, dtype=dtype)[0]))
            rows.append((identifier_of(path, facts), condition_of(path, facts)))
    return rows
