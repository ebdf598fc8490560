"""CSV tables of samples as an ECGSource: folders and files that ecgsdk wrote, and those of other programs."""

from __future__ import annotations

import csv
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TextIO

import numpy as np

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.limits import LARGEST_CSV, LARGEST_CSV_LIST
from ecgsdk.readers.channels import find_leads, lead_of, twelve_leads
from ecgsdk.readers.damage import MEBIBYTE, check_size, damage_reported
from ecgsdk.readers.marking import condition_of, identifier_of, known_number, provenance_of
from ecgsdk.readers.records import Fit, RecordFacts, check_numbers, source_of_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ecgsdk.readers.source import ECGSource
    from ecgsdk.readers.stated import Stated

__all__ = ["LIST_NAME", "is_listed", "read_csv", "read_listed_csv"]

LIST_NAME = "records.csv"
"""The table of records in a folder that ecgsdk wrote."""

_LARGEST_HEAD = MEBIBYTE
_WHAT = "a CSV table of samples"
_OURS = {"identifier", "sampling_rate", "synthetic"}
_FACTS = ("model", "model_sha256", "version", "seed", "steps", "guidance", "strength", "accompanied", "candidates")
_SYNTHETIC = {"true": True, "false": False}
_UNIT = re.compile(r"(.+?)(?:\s*[(\[]([nuµμm]?V)[)\]]|[ _/]([nuµμm]V))", re.IGNORECASE)
_TIME = re.compile(r"(?:time|timestamp|t)[ _/]*[(\[]?(s|sec|seconds|ms|us|µs|μs)[)\]]?|(seconds)", re.IGNORECASE)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}
_SNAP = 1e-4


@dataclass(frozen=True)
class _Layout:
    """How a table is written.

    Attributes:
        delimiter: between cells; with ";" and tab a comma may be the decimal point.
        skipped: lines before the first row of numbers.
        leads: column of each lead.
        unit: of the leads, None where the names do not say it.
        time: column of the time and the seconds in its unit, None where there is none.
        facts: what ecgsdk says of a record in a file on its own, empty for other tables.
    """

    delimiter: str
    skipped: int
    leads: Mapping[str, int]
    unit: str | None
    time: tuple[int, float] | None
    facts: Mapping[str, str]


def is_listed(folder: Path) -> bool:
    """Whether a folder holds the table of records that ecgsdk writes."""
    try:
        path = folder / LIST_NAME
        if not path.is_file():
            return False
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return _OURS | {"file"} <= set(file.readline(_LARGEST_HEAD).strip().split(","))
    except OSError:
        return False


def read_listed_csv(folder: Path, stated: Stated, fit: Fit) -> ECGSource:
    """The ECGs of a folder of CSV files that ecgsdk wrote: its records.csv names them and says all but the samples.

    Raises:
        DataError: a table is missing or damaged, or records differ in rate or origin. That one differs in length is
            found when it is read: to count the rows of all tables takes as long.
    """
    path = folder / LIST_NAME
    check_size(path, LARGEST_CSV_LIST, "the list")
    with damage_reported(path, "a list of records"):
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise DataError(f"{path} names no records")
        samples = _samples_listed(folder, rows, fit)
    read = partial(_read, stated) if fit.seconds else partial(_read_whole, stated, samples)
    return source_of_records(folder, rows, partial(_listed, folder, samples, stated), read, fit)


def read_csv(root: Path, files: Sequence[Path], stated: Stated, fit: Fit) -> ECGSource:
    """The ECGs of CSV files, one each, with a row a sample and a column a lead.

    Columns are known by their names in the first line ("I", "V1 (mV)", "avf_uV"), or as the user states them; others
    are left out, and missing limb leads are computed. The rate comes from a column of times in s, ms or µs ("time_s",
    "t [ms]"), which must be evenly spaced, the unit from the names; either may be stated instead. Comma, semicolon
    and tab divide cells. Of a folder, files without any lead, empty ones and those of over 256 MiB are taken for
    tables of something else.

    Args:
        root: the folder or file that was asked for.
        files: the files, at least one.
        stated: what the user states of files that do not say their rate, unit or columns.
        fit: the rate and length that are asked for.

    Raises:
        DataError: a file is damaged or larger than 64 MiB; a lead, the rate or the unit is missing; records differ.
    """
    if root.is_dir():
        tables, files = files, [path for path in files if _holds_leads(path, stated)]
        if not files:
            what = f"none of its {len(tables)} CSV files names a lead in its first line"
            raise DataError(f"{root}: {what}; state the names of the columns with input_leads= (--input-leads)")
    return source_of_records(root, files, partial(_facts, stated), partial(_read, stated), fit)


def _facts(stated: Stated, path: Path) -> RecordFacts:
    layout = _layout(path, stated)
    if layout.facts:
        return _own_facts(path, layout.facts, _count_rows(path, layout), stated)
    if layout.time is None:
        return RecordFacts(path, stated.sampling_rate(path, None), _count(path), Condition())
    times = _load(path, layout, [layout.time[0]])[:, 0] * layout.time[1]
    return RecordFacts(path, stated.sampling_rate(path, _rate(path, times)), len(times), Condition())


def _own_facts(path: Path, cells: Mapping[str, str], samples: int, stated: Stated) -> RecordFacts:
    """What ecgsdk says of a record, in a file on its own or in the list."""
    known = {name: cell for name, cell in cells.items() if isinstance(cell, str) and cell != ""}
    synthetic = _SYNTHETIC.get(known.get("synthetic", ""))
    if synthetic is None:
        raise DataError(f"{path} is damaged: column synthetic is neither true nor false")
    statements = [code for code in known.get("statements", "").split("+") if code]
    return RecordFacts(
        path=path,
        sampling_rate=stated.sampling_rate(path, known_number(path, "sampling_rate", known.get("sampling_rate"))),
        samples=samples,
        condition=condition_of(path, {**known, "statements": statements}),
        identifier=identifier_of(path, cells),
        provenance=provenance_of(path, {name: known[name] for name in _FACTS if name in known} if synthetic else None),
    )


def _samples_listed(folder: Path, rows: Sequence[Mapping[str, str]], fit: Fit) -> int:
    """Samples of each record in a folder that ecgsdk wrote: those of the first, or of the first that can be read."""
    for row in rows if fit.skip_damaged else ():
        with suppress(DataError):
            return _count(_member(folder, row))
    return _count(_member(folder, rows[0]))


def _listed(folder: Path, samples: int, stated: Stated, row: Mapping[str, str]) -> RecordFacts:
    with damage_reported(folder / LIST_NAME, "a list of records"):
        return _own_facts(_member(folder, row), row, samples, stated)


def _member(folder: Path, row: Mapping[str, str]) -> Path:
    name = row.get("file") or ""
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise DataError(f"{folder / LIST_NAME} is damaged: {name[:40]!r} is not a file beside it")
    return folder / name


def _read(stated: Stated, path: Path, samples: int) -> np.ndarray:
    layout = _layout(path, stated)
    # Tables that records.csv lists are ecgsdk's, or made like them.
    ours = layout.facts or is_listed(path.parent)
    size = stated.millivolts(path, layout.unit or ("mV" if ours else None))
    table = _load(path, layout, list(layout.leads.values()), samples) * size
    return check_numbers(path, twelve_leads(dict(zip(layout.leads, table.T))))


def _read_whole(stated: Stated, samples: int, path: Path, asked: int) -> np.ndarray:
    """The first samples that are asked for of a table that has as many as the first one listed."""
    signals = _read(stated, path, samples + 1)
    if signals.shape[-1] > samples:
        mend = "crop them to one length with seconds= (--seconds)"
        raise DataError(f"{path} has more than the {samples} samples of the first table in {LIST_NAME}; {mend}")
    return signals[:, :asked]


def _layout(path: Path, stated: Stated) -> _Layout:
    check_size(path, LARGEST_CSV, "a CSV file")
    with damage_reported(path, _WHAT), _open(path) as file:
        skipped, line = _first_line(file)
        delimiter = _delimiter(line)
        cells = next(csv.reader([line], delimiter=delimiter))
        named = not all(_is_number(cell) for cell in cells)
        names = list(stated.names(path, [cell.strip() for cell in cells] if named else None, len(cells)))
        units = [_UNIT.fullmatch(name) for name in names]
        labels = [unit[1] if unit else name for name, unit in zip(names, units)]
        leads = find_leads(path, labels, stated.mend(labels))
        said = {(unit[2] or unit[3]) if (unit := units[i]) else None for i in leads.values()}
        if len(said) > 1:
            raise DataError(f"{path}: its leads are in different units, or some without; write them in one")
        facts = {}
        if set(names) >= _OURS:
            facts = dict(zip(names, next(csv.reader(_lines(file), delimiter=delimiter))))
        return _Layout(delimiter, skipped + named, leads, said.pop(), _time_column(names), facts)


def _holds_leads(path: Path, stated: Stated) -> bool:
    """Whether a file is a table of samples: one names a lead, or has no names but numbers."""
    with damage_reported(path, _WHAT):
        if path.stat().st_size > LARGEST_CSV_LIST:
            return False
        with _open(path) as file:
            line = next((line for line in _lines(file) if _is_row(line)), "")
    cells = re.split(r"[,;\t]", line)
    if stated.leads is not None and len(cells) == len(stated.leads):
        return True
    return any(lead_of(_UNIT.sub(r"\1", cell.strip(' "'))) for cell in cells) or _is_number(cells[0])


def _first_line(file: TextIO) -> tuple[int, str]:
    """The first line that is neither empty nor a comment, and how many stand before it."""
    for skipped, line in enumerate(_lines(file)):
        if _is_row(line):
            return skipped, line
    raise DataError(f"{file.name} holds no samples")


def _lines(file: TextIO) -> Iterator[str]:
    """The lines that follow, of which one without end comes in parts."""
    return iter(partial(file.readline, _LARGEST_HEAD), "")


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _delimiter(line: str) -> str:
    """What divides the cells of a line: semicolons or tabs before commas, which may be decimal points.

    With one in each cell these are one more than what divides; where there are more, a semicolon is a part of a name.
    """
    marks = (mark for mark in ";\t" if mark in line and line.count(mark) + 1 >= line.count(","))
    return next(marks, ",")


def _time_column(names: Sequence[str]) -> tuple[int, float] | None:
    for position, name in enumerate(names):
        match = _TIME.fullmatch(name.strip())
        if match:
            return position, _SECONDS[(match[1] or match[2]).lower()]
    return None


def _rate(path: Path, times: np.ndarray) -> float:
    """Hz of evenly spaced times in s; a whole number where that is as near as rounded times can tell."""
    steps = np.diff(times)
    step = float((times[-1] - times[0]) / max(len(steps), 1)) if len(times) else 0.0
    if not 0 < step < math.inf or np.abs(steps - step).max() > step / 2:
        raise DataError(f"{path}: its times are not evenly spaced; write the samples at one rate")
    rate = 1 / step
    return float(round(rate)) if abs(rate - round(rate)) <= _SNAP * rate else rate


def _load(path: Path, layout: _Layout, columns: list[int], rows: int | None = None) -> np.ndarray:
    """Numbers of these columns, shape (rows, columns).

    Raises:
        DataError: one is no number; names its line and column.
    """
    try:
        return _numbers(path, layout, columns, rows)
    except DataError as error:
        raise DataError(_faulty_cell(path, layout, columns) or str(error)) from None


def _faulty_cell(path: Path, layout: _Layout, columns: list[int]) -> str:
    """Where a table has the first cell that is no number, and what stands there; empty where that is not the fault."""
    with damage_reported(path, _WHAT), _open(path) as file:
        names = {column: lead for lead, column in layout.leads.items()}
        for number, line in enumerate(_lines(file), start=1):
            if number <= layout.skipped or not _is_row(line):
                continue
            cells = next(csv.reader([line], delimiter=layout.delimiter))
            for column in columns:
                cell = cells[column].strip() if column < len(cells) else None
                if cell is None or not _is_number(cell):
                    what = f"has {cell[:20]!r}, which is no number" if cell else "is empty"
                    what = "is missing" if cell is None else what
                    which = f"lead {names[column]}" if column in names else "the time"
                    mend = "fill the gap or leave the record out"
                    return f"{path}, line {number}: column {column + 1}, {which}, {what}; {mend}"
    return ""


def _numbers(path: Path, layout: _Layout, columns: list[int], rows: int | None) -> np.ndarray:
    with damage_reported(path, _WHAT), _open(path) as file:
        return np.loadtxt(
            _with_points(file) if layout.delimiter != "," else file,
            delimiter=layout.delimiter,
            skiprows=layout.skipped,
            usecols=columns,
            max_rows=rows,
            quotechar='"',
            ndmin=2,
        )


def _with_points(file: TextIO) -> Iterator[str]:
    return (line.replace(",", ".") for line in file)


def _count(path: Path) -> int:
    """Rows of samples in a table whose first line that is no comment has names, or is one of them."""
    check_size(path, LARGEST_CSV, "a CSV file")
    with damage_reported(path, _WHAT), _open(path) as file:
        _, line = _first_line(file)
        first = 1 if _is_number(re.split(r"[,;\t]", line)[0]) else 0
        return first + sum(1 for line in file if _is_row(line))


def _count_rows(path: Path, layout: _Layout) -> int:
    """Rows of samples in a table of one record that ecgsdk wrote, in which an identifier may hold line breaks."""
    with damage_reported(path, _WHAT), _open(path) as file:
        return sum(map(bool, csv.reader(islice(_lines(file), layout.skipped, None))))


def _open(path: Path) -> TextIO:
    return path.open(newline="", encoding="utf-8-sig", errors="replace")


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip(' "').replace(",", "."))
    except ValueError:
        return False
    return True
