"""The spool of a file that is being written: its blocks of records one by one, so that the next writer goes on.

A file of many records says only at its end where they lie: half of one is worth nothing. So whatever is added to it is
kept beside it, and a new file begins with what was kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ecgsdk.conditions import Condition
from ecgsdk.writers.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["OUTPUT", "Spool"]

OUTPUT = "output"
"""Name, in the spool's folder, of the file that is being written."""


class Spool:
    """A folder of blocks, a file each, of which a journal tells which are whole (`ecgsdk.writers.journal`).

    A block's file begins with a line of JSON, identifier and condition of each record; its signals follow as the format
    packs them.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._journal = Journal(folder, key, "")
        self._kept = self._journal.records

    def blocks(self) -> Iterator[tuple[bytes, list[tuple[str, Condition]]]]:
        """What was kept, in order: packed signals, and identifier and condition of each of their records."""
        first = 0
        while first < self._kept:
            line, _, packed = self._path(first).read_bytes().partition(b"\n")
            rows = [(name, Condition(**facts)) for name, facts in json.loads(line)]
            yield packed, rows
            first += len(rows)

    def keep(self, packed: bytes | memoryview, rows: Sequence[tuple[str, Condition]]) -> None:
        """Adds a block; from now on it outlives this process."""
        described = json.dumps([(name, condition.as_dict()) for name, condition in rows], default=float)
        path, contents = self._path(self._kept), (described.encode(), b"\n", packed)
        try:
            path.write_bytes(b"".join(contents))
        except OSError:  # makes room on a full disk for what the journal has still to tell
            path.unlink(missing_ok=True)
            raise
        self._journal.add(contents, [path.name], records=len(rows))
        self._kept += len(rows)
        self._journal.flush()

    def close(self) -> None:
        """Closes the journal of what is kept."""
        self._journal.close()

    def _path(self, first: int) -> Path:
        """The file of the block that begins with this record."""
        return self._folder / f"{first:09d}.block"
