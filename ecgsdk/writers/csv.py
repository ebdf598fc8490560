"""CSV: a table of samples for each record, and a table of the records, for spreadsheets and pandas."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS
from ecgsdk.limits import LARGEST_CSV, LARGEST_CSV_LIST, check_record_size
from ecgsdk.writers.marking import number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecgsdk.writers.folder import Record
    from ecgsdk.writers.writer import Header

__all__ = ["RECORD_COLUMNS", "CsvRecord", "CsvRecords"]

RECORD_COLUMNS = (
    "identifier",
    "statements",
    "heart_rate",
    "age",
    "sex",
    "sampling_rate",
    "synthetic",
    "model",
    "model_sha256",
    "version",
    "seed",
    "steps",
    "guidance",
    "strength",
    "accompanied",
    "candidates",
)
"""What is said of each record: in records.csv, after the column `file`, or after the leads of a file on its own."""

_SAMPLE_COLUMNS = ("time_s", *LEADS)
_SHORTEST_LINE = len("000000.csv") + len(RECORD_COLUMNS) + len("1falsex\n")
_SHORTEST_ROW = len(",".join(("0.0", *("0.000" for _ in LEADS))))


class CsvRecords:
    """A folder of 000000.csv, 000001.csv, … with columns `time_s`, `I` … `V6`, and the table `records.csv`.

    Samples are in mV with the three decimals that whole microvolts have, a row a sample. `records.csv` has a row a
    record: `file`, `identifier`, `statements` (SCP-ECG codes joined by "+"), `heart_rate`, `age`, `sex`,
    `sampling_rate` (Hz), `synthetic` (true or false), and the columns of the provenance. What is unknown is an empty
    cell, NaN in pandas. There are no comment lines.

        records = pandas.read_csv("folder/records.csv", dtype={"identifier": str})
        signals = pandas.read_csv("folder/" + records.file[0], index_col="time_s")  # mV
    """

    list_name = "records.csv"
    list_head = ",".join(("file", *RECORD_COLUMNS)) + "\n"

    def __init__(self, header: Header) -> None:
        self._header = header
        self._samples = _Samples(header)
        self._listed = len(self.list_head)
        _check_list(self._listed + header.total * _SHORTEST_LINE)

    def files(self, record: Record) -> Iterator[tuple[str, bytes]]:
        """The table of samples."""
        yield ".csv", self._samples.table(record.microvolts, (), "")

    def list_line(self, record: Record) -> str:
        """The record's row in records.csv."""
        line = _row((f"{record.name}.csv", *_record_cells(record, self._header)))
        self._listed += len(line.encode())
        _check_list(self._listed)
        return line


class CsvRecord:
    """One file with columns `time_s`, `I` … `V6` in mV, and then those of `RECORD_COLUMNS`, the same in each row.

    So the only file of a record says what it is without comment lines, and files can be put one below the other.
    """

    list_name = ""
    list_head = ""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._samples = _Samples(header)

    def files(self, record: Record) -> Iterator[tuple[str, bytes]]:
        """The table of samples and of what is said of the record."""
        yield ".csv", self._samples.table(record.microvolts, RECORD_COLUMNS, _row(_record_cells(record, self._header)))

    def list_line(self, record: Record) -> str:
        """Nothing: there is no list."""
        return ""


class _Samples:
    """The texts that all tables of samples share."""

    def __init__(self, header: Header) -> None:
        _check_table(header.samples * (_SHORTEST_ROW + 1))
        self._times = [repr(float(i / header.sampling_rate)) for i in range(header.samples)]
        # A list in which −1 finds the last entry: the texts of 0 to 32767 and −32768 to −1 µV.
        self._millivolts = [f"{value / 1000:.3f}" for value in (*range(32768), *range(-32768, 0))]

    def table(self, microvolts: np.ndarray, further: Iterable[str], cells: str) -> bytes:
        """The table of one record with `further` columns, whose `cells` stand in each row."""
        columns = [map(self._millivolts.__getitem__, lead) for lead in microvolts.tolist()]
        end = "," + cells if cells else "\n"
        _check_table(len(self._times) * (_SHORTEST_ROW + len(end.encode())))
        rows = map(",".join, zip(self._times, *columns, strict=True))
        head = ",".join((*_SAMPLE_COLUMNS, *further))
        contents = (head + "\n" + end.join((*rows, ""))).encode()
        _check_table(len(contents))
        return contents


def _check_table(size: int) -> None:
    """Raises WriteError for a table of so many bytes; by the shortest rows there can be, before it is made."""
    check_record_size(size, LARGEST_CSV, "a CSV file")


def _check_list(size: int) -> None:
    """Raises WriteError for a list of so many bytes, which would not be read; by the shortest lines, beforehand."""
    if size > LARGEST_CSV_LIST:
        most = f"more than the {LARGEST_CSV_LIST >> 20} MiB that are read of it"
        raise WriteError(f"records.csv would have {most}; write several folders of fewer records, or another format")


def _record_cells(record: Record, header: Header) -> list[str]:
    """The cells of `RECORD_COLUMNS`."""
    facts = {
        **record.condition.as_dict(),
        "identifier": record.identifier,
        "statements": "+".join(record.condition.statements),
        "sampling_rate": header.sampling_rate,
        "synthetic": header.provenance is not None,
        **(header.provenance.as_dict() if header.provenance else {}),
    }
    return [_cell(facts.get(name)) for name in RECORD_COLUMNS]


def _cell(value: object) -> str:
    """Numbers with all their digits; empty for what is unknown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)):
        return str(value)
    return number_text(value)  # type: ignore[arg-type]


def _row(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
