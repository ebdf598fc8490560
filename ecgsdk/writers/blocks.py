"""Formats of one file for all records, written in blocks of one size: the bytes do not depend on the batches."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from ecgsdk.writers.spool import OUTPUT, Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

__all__ = ["BlockFormat", "BlockSink", "Blocks"]

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


class BlockFormat(Protocol):
    """How one format keeps many records in one file, block by block.

    Attributes:
        block: records of a block; the last one may have fewer.
    """

    block: int

    def units(self, batch: ECGBatch) -> np.ndarray:
        """Signals of shape (n, 12, samples) in the file's unit.

        Raises:
            WriteError: the file does not hold a sample.
        """

    def pack(self, units: np.ndarray) -> bytes | memoryview:
        """The bytes of a block's signals."""

    def add(self, packed: bytes | memoryview, rows: Sequence[tuple[str, Condition]]) -> None:
        """Adds a block: what `pack` gave, and identifier and condition of each record."""

    def close(self) -> None:
        """Completes the file."""

    def abort(self) -> None:
        """Lets go of the file as it is."""


class BlockSink:
    """The file of many records, written in whole blocks.

    With a `key`, the path is a folder: the file in it gets a spool (`ecgsdk.writers.spool`), and begins with what the
    spool has.
    """

    def __init__(
        self, open_format: Callable[[Path, Header], BlockFormat], path: Path, header: Header, *, key: str = ""
    ) -> None:
        if key:
            path.mkdir(exist_ok=True)
        self._path = path / OUTPUT if key else path
        self._format = open_format(self._path, header)
        self._blocks: Blocks[tuple[str, Condition]] = Blocks(self._format.block)
        self._spool: Spool | None = None
        try:
            if key:
                self._spool = Spool(path, key)
                for kept in self._spool.blocks():
                    self._format.add(*kept)
        except BaseException:
            self.abort()
            raise

    def write(self, batch: ECGBatch) -> None:
        """Adds the records of a batch; those that do not fill a block wait for the next."""
        rows = list(zip(batch.identifiers, batch.conditions, strict=True))
        for units, of_units in self._blocks.add(self._format.units(batch), rows):
            packed = self._format.pack(units)
            self._format.add(packed, of_units)
            if self._spool:
                self._spool.keep(packed, of_units)

    def close(self) -> None:
        """Writes what waits, and completes the file."""
        for units, rows in self._blocks.rest():
            self._format.add(self._format.pack(units), rows)
        self._format.close()
        if self._spool:
            self._spool.close()

    def abort(self) -> None:
        """Closes all files; of one with a spool, only the spool stays."""
        with ExitStack() as files:
            if self._spool:
                files.callback(self._spool.close)
                # Before that: it makes room on a full disk for what the journal has still to tell.
                files.callback(self._path.unlink, missing_ok=True)
            self._format.abort()
