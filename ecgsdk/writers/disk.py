"""The file below HDF5, which hides a full disk from HDF5 until the writer asks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Disk"]


class Disk(io.FileIO):
    """A new file, of which a write that fails is raised by `check`, not by `write`.

    HDF5 must not see the failure: what it could not write it tries again when the process ends, and crashes there.
    So from the first failure on, what is written is kept in memory, and read from there. Whoever writes much must
    call `check` often.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._error: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raises the OSError of the first write that failed."""
        if self._error is not None:
            raise self._error

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        """Takes all of `data`."""
        start = self.tell()
        if self._error is None:
            try:
                self._put(memoryview(data).cast("B"))
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._kept.append((start, bytes(data)))
            self.seek(start + len(data))
        return len(data)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills all of `buffer`; with zeros beyond the end."""
        target, start = memoryview(buffer).cast("B"), self.tell()
        read = super().readinto(target)
        target[read:] = bytes(len(target) - read)
        for first, data in self._kept:
            low, high = max(start, first), min(start + len(target), first + len(data))
            if low < high:
                target[low - start : high - start] = data[low - first : high - first]
        self.seek(start + len(target))
        return len(target)

    def truncate(self, size: int | None = None) -> int:
        """Cuts or lengthens the file to `size` bytes."""
        try:
            return super().truncate(size) if self._error is None else size or 0
        except OSError as error:
            self._error = error
            return size or 0

    def _put(self, data: memoryview) -> None:
        while len(data):
            data = data[super().write(data) :]
