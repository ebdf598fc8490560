"""Chunks of an HDF5 file as its filters shuffle and gzip them, with no more work than ECGs are worth."""

from __future__ import annotations

import zlib
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["deflated_chunk"]

_HEADER = b"\x78\x01"  # RFC 1950: a window of 32 kB, the fastest level
_RAW = -15
_LONGEST_STORED = 65535
# Samples of which one is looked at to tell whether a lead's low bytes are worth coding.
_STRIDE = 8
# Chance that two low bytes of a lead are equal, from which on coding saves a fifteenth of them or more.
_WORTH_CODING = 0.0105


def deflated_chunk(units: np.ndarray, records: int) -> bytes:
    """A chunk of records as HDF5's filters shuffle and gzip it: all low bytes, all high bytes, as one zlib stream.

    High bytes are runs: only runs are looked for (Z_RLE), as the search for other matches takes longer and finds
    nothing more in an ECG. Low bytes are next to evenly distributed where a lead is large or sampled finely: those
    leads are stored as they are, the others get a Huffman code each.

    Args:
        units: int16, shape (up to `records`, leads, samples).
        records: of a whole chunk; what is missing is filled with zeros.
    """
    planes = _planes(units, records)
    high = zlib.compressobj(1, wbits=_RAW, memLevel=6, strategy=zlib.Z_RLE)
    parts = _low_bytes(planes[0].reshape(-1, units.shape[-1]))
    return b"".join(
        [_HEADER, *parts, high.compress(planes[1].data), high.flush(), zlib.adler32(planes.data).to_bytes(4, "big")]
    )


def _planes(units: np.ndarray, records: int) -> np.ndarray:
    """Low bytes and high bytes of a chunk, shape (2, its samples)."""
    planes = np.zeros((2, records * units[0].size), dtype=np.uint8)
    values = units.reshape(-1).view(np.uint16)
    low, high = planes[:, : values.size]
    np.copyto(low, values, casting="unsafe")
    np.right_shift(values, 8, out=high, casting="unsafe")
    return planes


def _low_bytes(leads: np.ndarray) -> Iterator[bytes | memoryview]:
    """Deflate blocks (RFC 1951) of the low bytes, shape (leads, samples), each of which ends at a whole byte."""
    coder = zlib.compressobj(1, wbits=_RAW, memLevel=9, strategy=zlib.Z_HUFFMAN_ONLY)
    first = 0
    for worth, alike in groupby((_chance_of_equals(leads[:, ::_STRIDE]) >= _WORTH_CODING).tolist()):
        last = first + sum(1 for _ in alike)
        same = leads[first:last].reshape(-1).data
        if worth:
            yield coder.compress(same)
            yield coder.flush(zlib.Z_SYNC_FLUSH)
        else:
            yield from _stored(same)
        first = last


def _stored(data: memoryview) -> Iterator[bytes | memoryview]:
    """Blocks that hold data as it is (RFC 1951, 3.2.4)."""
    for first in range(0, len(data), _LONGEST_STORED):
        block = data[first : first + _LONGEST_STORED]
        yield b"\0" + len(block).to_bytes(2, "little") + (len(block) ^ 0xFFFF).to_bytes(2, "little")
        yield block


def _chance_of_equals(rows: np.ndarray) -> np.ndarray:
    """For each row of bytes, how likely two of its values are equal; shape (rows,).

    Friedman's index of coincidence (1922), which needs fewer values than an entropy.
    """
    of_row = rows + np.arange(0, 256 * len(rows), 256)[:, None]
    counts = np.bincount(of_row.reshape(-1), minlength=256 * len(rows)).reshape(-1, 256)
    return (counts * (counts - 1)).sum(axis=1) / max(1, rows.shape[1] * (rows.shape[1] - 1))
