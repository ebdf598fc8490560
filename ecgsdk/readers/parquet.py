"""Parquet files with a row a record and a list of samples a lead, as an ECGSource, by pyarrow."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS
from ecgsdk.limits import LARGEST_PARQUET_GROUP
from ecgsdk.readers.channels import find_leads, twelve_leads
from ecgsdk.readers.damage import MEBIBYTE, damage_reported, needs_package
from ecgsdk.readers.marking import condition_of, identifier_of, provenance_of
from ecgsdk.readers.records import check_numbers
from ecgsdk.readers.source import ECGSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ecgsdk.batch import Provenance
    from ecgsdk.readers.stated import Stated

__all__ = ["read_parquet"]

_WHAT = "a Parquet file of ECGs"
_FORMAT, _VERSION = "ecgsdk", 1
_FACTS = ("identifier", "statements", "heart_rate", "age", "sex")
_LARGEST_TEXTS = 16 * MEBIBYTE
_ROWS_AT_ONCE = 16
_BLOCK_BYTES = 8 * MEBIBYTE
_KEPT_BYTES = 256 * MEBIBYTE


def read_parquet(path: Path, stated: Stated) -> ECGSource:
    """The ECGs of a Parquet file, one a row, with a column of lists a lead.

    Rate, unit and origin are in the metadata of files that ecgsdk writes; of others the user states them. Columns
    `identifier`, `statements`, `heart_rate`, `age` and `sex` are taken over where they are; columns that are none of
    the twelve leads are left out, and missing limb leads are computed.

    Row groups are decoded in blocks of 8 MiB, of which those that were read last are kept, up to 256 MiB.

    Raises:
        DataError: the file is damaged or of a later version, its rows differ in length, a lead is missing, or a row
            group holds more than 512 MiB of samples.
        RuntimeSetupError: pyarrow is not installed.
    """
    groups = _RowGroups(path, stated)
    rows = list(groups.facts())
    return ECGSource(
        name=str(path),
        sampling_rate=groups.sampling_rate,
        samples=groups.samples,
        conditions=tuple(condition_of(path, row) for row in rows),
        identifiers=tuple(identifier_of(path, {"identifier": _name(i, row)}) for i, row in enumerate(rows)),
        folds=(None,) * len(rows),
        read=groups.read,
        provenance=groups.provenance,
    )


class _RowGroups:
    """An open file, the blocks of rows that were read last, and where decoding stands.

    So records that are read in order are decoded once, and each block once in a call, whatever the order.
    """

    def __init__(self, path: Path, stated: Stated) -> None:
        self._path = path
        self._file = _open(path)
        with damage_reported(path, _WHAT):
            self._columns = list(self._file.schema_arrow.names)
            self._leads = find_leads(path, self._columns)
            sizes = [self._check_group(g) for g in range(self._file.num_row_groups)] or [(0, 1)]
            self._rows = [rows for rows, _ in sizes]
            self._ends = np.cumsum(self._rows)
            self._steps = np.array([rows for _, rows in sizes])
            self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
            self._standing: tuple[int, int, Iterator[Any]] = (-1, 0, iter(()))
            said = _said(path, self._file.schema_arrow.metadata or {})
            self.sampling_rate = stated.sampling_rate(path, float(said["sampling_rate"]) if said else None)
            self._millivolts = stated.millivolts(path, str(said.get("units", "")) if said else None)
            self.provenance: Provenance | None = provenance_of(path, said.get("provenance"))
            if not self._ends[-1]:
                raise DataError(f"{path} holds no records")
            self.samples = 0
            self.samples = self._block(int(np.searchsorted(self._ends, 0, side="right")), 0).shape[2]

    def facts(self) -> Iterator[dict[str, Any]]:
        """Identifier and condition of each row, as far as the file has them."""
        columns = [name for name in _FACTS if name in self._columns]
        with damage_reported(self._path, _WHAT):
            if not columns:
                yield from ({} for _ in range(int(self._ends[-1])))
                return
            batches = self._file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns, use_threads=False)
            for batch in batches:
                yield from batch.to_pylist()

    def read(self, chosen: Sequence[int]) -> np.ndarray:
        """Signals of these rows: float32 mV, shape (n, 12, samples)."""
        positions = np.asarray(chosen, dtype=int)
        groups = np.searchsorted(self._ends, positions, side="right")
        firsts = np.concatenate([[0], self._ends])
        blocks, places = np.divmod(positions - firsts[groups], self._steps[groups])
        signals = np.empty((len(chosen), len(LEADS), self.samples), dtype=np.float32)
        wanted = set(zip(groups.tolist(), blocks.tolist()))
        # Those that are kept come first, before others take their room.
        for group, block in sorted(wanted, key=lambda place: (place not in self._kept, place)):
            found = np.flatnonzero((groups == group) & (blocks == block))
            signals[found] = self._block(group, block)[places[found]]
        return check_numbers(self._path, signals)

    def _check_group(self, group: int) -> tuple[int, int]:
        """The rows of a row group, and of its blocks.

        Raises:
            DataError: reading it would take more than an ECG file needs.
        """
        facts = self._file.metadata.row_group(group)
        values = {}
        for i in range(facts.num_columns):
            column = facts.column(i)
            name = column.path_in_schema.split(".")[0]
            values[name] = column.num_values
            if name in _FACTS and column.total_uncompressed_size > _LARGEST_TEXTS:
                raise DataError(f"{self._path}: column {name} of a row group has more than {_LARGEST_TEXTS} bytes")
        count = sum(values.get(self._columns[i], 0) for i in self._leads.values())
        size = self._path.stat().st_size
        if count * 4 > LARGEST_PARQUET_GROUP or facts.num_rows > size:
            mend = "write it with smaller row groups"
            raise DataError(f"{self._path}: a row group announces {facts.num_rows} rows and {count} samples; {mend}")
        block = _BLOCK_BYTES * facts.num_rows // max(1, count * 4)
        return int(facts.num_rows), max(1, min(block, facts.num_rows))

    def _block(self, group: int, block: int) -> np.ndarray:
        """Signals of a block of rows: float32 mV, shape (rows, 12, samples)."""
        if (group, block) in self._kept:
            self._kept.move_to_end((group, block))
            return self._kept[group, block]
        with damage_reported(self._path, _WHAT):
            signals = self._signals(self._decoded(group, block))
            if len(signals) != min(self._steps[group], self._rows[group] - block * self._steps[group]):
                raise DataError(f"{self._path} is damaged: a row group lacks rows; get the file again")
        self._kept[group, block] = signals
        while sum(kept.nbytes for kept in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return signals

    def _decoded(self, group: int, block: int) -> Any:
        """The columns of the leads, from where decoding stands or else from the beginning of the row group."""
        held, following, batches = self._standing
        self._standing = (-1, 0, iter(()))
        if held != group or following > block:
            names = [self._columns[i] for i in self._leads.values()]
            rows = int(self._steps[group])
            batches = self._file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)
            following = 0
        for _ in range(following, block):
            next(batches)
        decoded = next(batches)
        self._standing = (group, block + 1, batches)
        return decoded

    def _signals(self, columns: Any) -> np.ndarray:
        found = {lead: self._lists(columns.column(self._columns[i])) for lead, i in self._leads.items()}
        shapes = {lists.shape for lists in found.values()}
        if len(shapes) > 1 or self.samples not in (0, found["I"].shape[1]):
            raise DataError(f"{self._path}: its records or leads differ in length; write them with one length")
        rows = range(len(found["I"]))
        signals = np.stack([twelve_leads({lead: found[lead][i] for lead in found}) for i in rows])
        return signals * np.float32(self._millivolts)

    def _lists(self, lists: Any) -> np.ndarray:
        """A column of lists of one length, shape (rows, samples)."""
        lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
        if lists.null_count or len(set(lengths.tolist())) != 1:
            raise DataError(f"{self._path}: its records differ in length; write them with one length")
        values = lists.flatten().to_numpy(zero_copy_only=False)
        return values.astype(np.float32).reshape(len(lists), int(lengths[0]))


def _name(position: int, row: dict[str, Any]) -> object:
    """The row's identifier, of which other programs may make a number, or else its position."""
    name = row.get("identifier")
    return str(position if name is None else name) if name is None or isinstance(name, int) else name


def _open(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path} does not exist, or is no file")
    with needs_package("parquet", path):
        from pyarrow import parquet
    with damage_reported(path, _WHAT):
        return parquet.ParquetFile(path)


def _said(path: Path, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """What ecgsdk says of all records; empty for the file of another program.

    Raises:
        DataError: it is of a later version, or damaged.
    """
    texts = {name.decode(): text.decode() for name, text in metadata.items()}
    if texts.get("format") != _FORMAT:
        return {}
    if int(texts.get("format_version", "0")) > _VERSION:
        raise DataError(f"{path} was written by a later version of ecgsdk; upgrade with pip install -U ecgsdk")
    provenance = json.loads(texts["provenance"])
    if json.loads(texts["synthetic"]) != (provenance is not None):
        raise DataError(f"{path} is damaged: it says of what made it one thing and another")
    return {**texts, "provenance": provenance}
