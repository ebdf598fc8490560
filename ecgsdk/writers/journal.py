"""The journal of a folder that is being written: what an interrupted writer left whole, so that the next goes on."""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["JOURNAL", "Journal", "take_up", "tells_of_records"]

JOURNAL = ".journal"
"""Name of the journal in the folder; whoever completes the folder removes it."""

_LARGEST = 1 << 30
_LINE = re.compile(rb"([0-9a-f]{8}) ([0-9]{1,9}) ([0-9]{1,15}) ([^/\\\0]+)")


class Journal:
    """A line for a record, or for some: the CRC-32 of their files and of their lines in the list, how many they are,
    where the list ends then, their files.

    The first line is the `key` of the whole output, a tab, and the name of its list, which may be empty: whoever makes
    the same output has the same key.

    Attributes:
        path: the file.
        records: that it told of when it was opened.
    """

    def __init__(self, folder: Path, key: str, listed: str) -> None:
        self.path = folder / JOURNAL
        self.records = 0
        new = not self.path.exists()
        if not new:
            lines = self.path.read_bytes().split(b"\n")[1:-1]
            self.records = sum(int(found[2]) for found in map(_LINE.fullmatch, lines) if found)
        self._file = self.path.open("a", encoding="utf-8", newline="\n")
        if new:
            self._file.write(f"{key}\t{listed}\n")

    def add(
        self, contents: Iterable[bytes | memoryview], names: Iterable[str], *, records: int = 1, list_end: int = 0
    ) -> None:
        """Tells of records that are written: contents of their files, then their lines; their files; the list's end."""
        self._file.write(f"{_checksum(contents):08x} {records} {list_end} {' '.join(names)}\n")

    def flush(self) -> None:
        """Hands all lines to the system, which keeps them when this process is killed."""
        self._file.flush()

    def close(self) -> None:
        """Closes the journal as it is."""
        self._file.close()


def tells_of_records(folder: Path) -> bool:
    """Whether the journal of a folder tells of a record at least."""
    try:
        with (folder / JOURNAL).open("rb") as file:
            return bool(file.readline()) and file.readline().endswith(b"\n")
    except OSError:
        return False


def take_up(folder: Path, key: str, total: int) -> int:
    """How many records of a folder are whole; its journal and its list of records end after them from now on.

    All files are read: what a crash of the machine left empty or changed is found, and written again.

    Returns:
        0 where the journal is missing, or that of another output; `total` - 1 at most, as only a writer completes.

    Raises:
        OSError: as the file system says.
    """
    journal = folder / JOURNAL
    if not journal.is_file() or journal.stat().st_size > _LARGEST:
        return 0
    lines = journal.read_bytes().split(b"\n")[:-1]
    found_key, _, listed = (lines[0] if lines else b"").decode(errors="replace").partition("\t")
    if found_key != key:
        return 0
    listing = folder / listed
    rows = listing.read_bytes() if listing.is_file() else b""
    whole, end, kept = 0, 0, 1
    for found in map(_LINE.fullmatch, lines[1:]):
        if found is None or whole + int(found[2]) >= total or not _is_whole(folder, found, rows[end : int(found[3])]):
            break
        whole, end, kept = whole + int(found[2]), int(found[3]), kept + 1
    # Shortened where they are: a full disk takes no new ones.
    os.truncate(journal, sum(len(line) + 1 for line in lines[:kept]))
    if listing.is_file():
        os.truncate(listing, min(end, len(rows)))
    return whole


def _is_whole(folder: Path, found: re.Match[bytes], row: bytes) -> bool:
    try:
        contents = [(folder / name).read_bytes() for name in found[4].decode(errors="replace").split(" ")]
    except OSError:
        return False
    return _checksum([*contents, row]) == int(found[1], 16)


def _checksum(contents: Iterable[bytes | memoryview]) -> int:
    checksum = 0
    for part in contents:
        checksum = zlib.crc32(part, checksum)
    return checksum
