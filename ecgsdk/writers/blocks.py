"""Records gathered into blocks of one size, so that the bytes of an output do not depend on how they were batched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Blocks"]

Row = TypeVar("Row")


class Blocks(Generic[Row]):
    """Signals, and a row for each, that wait until they fill a block."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._signals: list[np.ndarray] = []
        self._rows: list[Row] = []

    def add(self, signals: np.ndarray, rows: Sequence[Row]) -> Iterator[tuple[np.ndarray, list[Row]]]:
        """Takes records, with signals of shape (n, 12, samples), and gives the blocks that are full."""
        self._signals.append(signals)
        self._rows.extend(rows)
        if len(self._rows) >= self._size:
            yield from self._take(len(self._rows) // self._size * self._size)

    def rest(self) -> Iterator[tuple[np.ndarray, list[Row]]]:
        """Gives what is left: one block that is not full, or none."""
        if self._rows:
            yield from self._take(len(self._rows))

    def _take(self, count: int) -> Iterator[tuple[np.ndarray, list[Row]]]:
        signals, rows = np.concatenate(self._signals), self._rows
        # A copy, as a slice would keep all of the signals in memory.
        self._signals, self._rows = [signals[count:].copy()], rows[count:]
        for first in range(0, count, self._size):
            last = min(first + self._size, count)
            yield signals[first:last], rows[first:last]
