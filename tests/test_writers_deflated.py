"""Chunks of HDF5 files: what zlib makes of them, and how large they are."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from ecgsdk.writers.deflated import deflated_chunk

RANDOM = np.random.default_rng(11)
EVEN = RANDOM.integers(-2000, 2000, size=(2, 12, 5000)).astype(np.int16)
NARROW = np.rint(RANDOM.normal(scale=15, size=EVEN.shape)).astype(np.int16)


def shuffled(units: np.ndarray, records: int) -> bytes:
    """What HDF5's shuffle filter makes of a chunk: all low bytes, then all high bytes."""
    chunk = np.zeros((records, *units.shape[1:]), dtype="<i2")
    chunk[: len(units)] = units
    data = chunk.tobytes()
    return data[::2] + data[1::2]


@pytest.mark.parametrize("records", [2, 3, 7])
@pytest.mark.parametrize(
    "units",
    [EVEN, NARROW, np.where(np.arange(12)[:, None] % 3, EVEN, NARROW), EVEN[:1], EVEN[:, :, :1], EVEN[:, :, :2]],
    ids=["stored", "coded", "mixed", "not full", "one sample", "two samples"],
)
def test_zlib_gives_the_shuffled_chunk_back(units: np.ndarray, records: int) -> None:
    assert zlib.decompress(deflated_chunk(units, records)) == shuffled(units, records)


def test_extreme_samples_come_through() -> None:
    units = np.array([[[-32767, 32767, -1, 0, 1, 255, 256, -256, -257]]], dtype=np.int16)
    assert zlib.decompress(deflated_chunk(units, 1)) == shuffled(units, 1)


def test_low_bytes_that_no_code_shortens_hardly_grow() -> None:
    large = RANDOM.integers(0, 256, size=(4, 12, 5000)).astype(np.int16)
    assert len(deflated_chunk(large, 4)) < 1.005 * large.size


def test_low_bytes_that_are_not_even_are_coded() -> None:
    """Normal numbers with a standard deviation of 15 units have 6 bits of entropy."""
    assert len(deflated_chunk(NARROW, 2)) < 1.02 * len(zlib.compress(shuffled(NARROW, 2), 1))
    assert len(deflated_chunk(NARROW // 4, 2)) < 0.8 * len(deflated_chunk(NARROW, 2))


def test_a_lead_is_coded_for_itself() -> None:
    """One narrow lead among large ones keeps its short code."""
    mixed = EVEN.copy()
    mixed[:, 3] = NARROW[:, 3]
    saved = len(deflated_chunk(EVEN, 2)) - len(deflated_chunk(mixed, 2))
    assert saved > 0.15 * mixed[:, 3].size
