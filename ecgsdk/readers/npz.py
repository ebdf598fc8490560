"""The NPZ files that ecgsdk writes (`ecgsdk.writers.npz`) as an ECGSource."""

from __future__ import annotations

import json
import struct
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.batch import Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.source import ECGSource, lead_order

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_npz"]

_LOCAL_HEADER = struct.Struct("<26xHH")
"""A local file header of a zip archive as far as it is needed: lengths of the name and of the extra field."""


def read_npz(path: str | Path) -> ECGSource:
    """The ECGs of an NPZ file written by ecgsdk.

    Raises:
        DataError: the file is missing, damaged, compressed, or not one of ecgsdk's.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            rows = [json.loads(row) for row in archive["conditions"]]
            order = lead_order(path, archive["leads"])
            sampling_rate = float(archive["sampling_rate"])
            provenance = json.loads(str(archive["provenance"]))
        signals = _map_signals(path)
        return ECGSource(
            name=str(path),
            sampling_rate=sampling_rate,
            samples=signals.shape[2],
            conditions=tuple(_condition(row) for row in rows),
            identifiers=tuple(row["identifier"] for row in rows),
            folds=(None,) * len(rows),
            read=partial(_read, path, order),
            provenance=None if provenance is None else Provenance.from_dict(provenance),
        )
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except KeyError as error:
        raise DataError(f"{path} was not written by ecgsdk ({error}); of NPZ files only those can be read") from error
    except (AttributeError, EOFError, IndexError, TypeError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged, or was not written by ecgsdk ({error})") from error


def _read(path: Path, order: list[int], chosen: Sequence[int]) -> np.ndarray:
    try:
        signals = _map_signals(path)
        return np.array(signals[list(chosen)][:, order], dtype=np.float32)
    except (OSError, ValueError, IndexError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} changed or was damaged while it was read ({error})") from error


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
    if len(shape) != 3 or fortran_order or dtype.hasobject:
        raise ValueError(f"signals of shape {shape} and type {dtype}")
    with path.open("rb") as file:
        file.seek(member.header_offset)
        start = member.header_offset + 30 + sum(_LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size)))
    return np.memmap(path, dtype=dtype, mode="r", offset=start + header_size, shape=shape)


def _condition(row: dict[str, Any]) -> Condition:
    return Condition(tuple(row["statements"]), row["heart_rate"], row["age"], row["sex"])
