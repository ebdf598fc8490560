"""Formats of a file, or a few, for each record: written as a folder of all records, or as one file of a single one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ecgsdk.writers.journal import Journal
from ecgsdk.writers.quantise import quantise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

__all__ = ["MICROVOLTS_PER_MILLIVOLT", "FileSink", "FolderSink", "Record", "RecordFormat"]

MICROVOLTS_PER_MILLIVOLT = 1000


@dataclass(frozen=True, eq=False)
class Record:
    """One ECG on its way into a file.

    Attributes:
        name: of its files, without ending: its place in the output, "000000" onwards.
        identifier: the record's own name.
        condition: what it shows, or was asked to show.
        microvolts: int16, shape (12, samples), leads in the order of `ecgsdk.leads.LEADS`.
    """

    name: str
    identifier: str
    condition: Condition
    microvolts: np.ndarray


class RecordFormat(Protocol):
    """How one format writes a record.

    Attributes:
        list_name: name of the folder's list of records, in UTF-8; empty where the format has none.
        list_head: what the list begins with.
    """

    list_name: str
    list_head: str

    def files(self, record: Record) -> Iterator[tuple[str, bytes | memoryview]]:
        """Ending and contents of each of the record's files."""

    def list_line(self, record: Record) -> str:
        """The record's line in the list, with its line break."""


class FolderSink:
    """A folder of records in the order written, and their list where the format has one.

    With a `key`, a journal tells after each batch which records are whole (`ecgsdk.writers.journal`), and a folder that
    has one is gone on with after its last record.
    """

    def __init__(
        self, open_format: Callable[[Header], RecordFormat], path: Path, header: Header, *, key: str = ""
    ) -> None:
        self._format = open_format(header)
        self._header = header
        self._folder = path
        path.mkdir(exist_ok=bool(key))
        listed = self._format.list_name
        self._journal = Journal(path, key, listed) if key else None
        self._written = self._journal.records if self._journal else 0
        self._list = (path / listed).open("ab") if listed else None
        if self._list and not self._written:
            self._list.write(self._format.list_head.encode())

    def write(self, batch: ECGBatch) -> None:
        """Adds the records of a batch."""
        for record in _records(batch, self._header, self._written):
            self._write_record(record)
            self._written += 1
        self._flush()

    def close(self) -> None:
        """Completes the list of records."""
        self.abort()
        if self._journal:
            self._journal.path.unlink()

    def abort(self) -> None:
        """Closes the list and the journal of what is whole, even if a full disk does not take their last lines."""
        with ExitStack() as files:
            for file in (self._list, self._journal):
                if file:
                    files.callback(file.close)
            self._flush()

    def _write_record(self, record: Record) -> None:
        start = self._list.tell() if self._list else 0
        line = self._format.list_line(record).encode() if self._list else b""
        written = {record.name + suffix: contents for suffix, contents in self._format.files(record)}
        try:
            for name, contents in written.items():
                (self._folder / name).write_bytes(contents)
        except OSError:  # makes room on a full disk for what the journal has still to tell
            for name in written:
                (self._folder / name).unlink(missing_ok=True)
            raise
        if self._list:
            self._list.write(line)
        if self._journal:
            # The first record's line stands for what is before it, too.
            head = b"" if self._written else self._format.list_head.encode()
            self._journal.add([*written.values(), head, line], written, list_end=start + len(line))

    def _flush(self) -> None:
        """The list first: the journal must not tell of lines that are not there."""
        if self._list:
            self._list.flush()
        if self._journal:
            self._journal.flush()


class FileSink:
    """The file of a single record."""

    def __init__(self, open_format: Callable[[Header], RecordFormat], path: Path, header: Header) -> None:
        self._format = open_format(header)
        self._header = header
        self._path = path

    def write(self, batch: ECGBatch) -> None:
        """Writes the batch's one record."""
        for record in _records(batch, self._header, 0):
            for _, contents in self._format.files(record):
                self._path.write_bytes(contents)

    def close(self) -> None:
        """Does nothing: the file is complete once it is written."""

    abort = close


def _records(batch: ECGBatch, header: Header, first: int) -> Iterator[Record]:
    digits = max(6, len(str(header.total - 1)))
    derive, unit = header.provenance is not None, 1 / MICROVOLTS_PER_MILLIVOLT
    units = quantise(batch.signals, unit, derive_leads=derive, identifiers=batch.identifiers)
    for i, condition in enumerate(batch.conditions):
        yield Record(f"{first + i:0{digits}d}", batch.identifiers[i], condition, units[i])
