"""Cohort: what to generate, record by record, from one condition, groups, a CSV file or any list of conditions."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.conditions import GROUPS, STATEMENTS, Condition, check_known, parse_span
from ecgsdk.errors import ConditionError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ecgsdk.conditions import Span

__all__ = ["CSV_COLUMNS", "Cohort"]

CSV_COLUMNS = ("statements", "heart_rate", "age", "sex")
"""Columns of a cohort file; any of them may be missing."""


@dataclass(frozen=True)
class Cohort:
    """The condition that each record is asked to show.

    Record i does not depend on how many records are asked for, so that any slice of a data set can be made alone.

    Attributes:
        conditions: the conditions asked for, all checked; at least one.
        length: number of records, or None when the conditions take turns without end.
    """

    conditions: tuple[Condition, ...]
    length: int | None = None

    def __post_init__(self) -> None:
        if not self.conditions:
            raise ConditionError("no condition to generate; ask for at least one record")
        for condition in self.conditions:
            _check(condition)

    @classmethod
    def of(cls, condition: Condition) -> Cohort:
        """Every record is asked for the same condition, without end."""
        return cls((condition,))

    @classmethod
    def from_groups(cls, names: Iterable[str], template: Condition | None = None) -> Cohort:
        """Records of standard groups in turn, without end: record i belongs to group i modulo their number.

        A record asks for the group's first statement, which is its commonest by far (AFIB rather than AFLT: 20 to 1
        in PTB-XL) and the one that every model of the group knows. Whoever wants flutter asks for AFLT by name.

        Args:
            names: names of standard groups, a doubled one counts once.
            template: heart rate, age and sex that all the records are asked for; default: none of them.

        Raises:
            ConditionError: an unknown group, or one whose statement contradicts the template.
        """
        unique = list(dict.fromkeys(names))
        check_known("group", unique, GROUPS)
        return cls(tuple(replace(template or Condition(), statements=GROUPS[name][:1]) for name in unique))

    @classmethod
    def from_conditions(cls, conditions: Sequence[Condition]) -> Cohort:
        """One record for each of `conditions`, in order."""
        return cls(tuple(conditions), len(conditions))

    @classmethod
    def from_csv(cls, path: str | Path) -> Cohort:
        """One record for each row of a CSV file, in order.

        Columns, all optional: `statements` (SCP-ECG codes joined by "+"), `heart_rate` and `age` (a number or a span
        like 60:80), `sex` (M or F). Missing columns and empty cells are left to be drawn.

        Raises:
            DataError: the file cannot be read, has an unknown column or no rows.
            ConditionError: a row asks for what no ECG can have; file and line are named.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
            _refuse_blank_lines(path, text)
            conditions = list(_rows(path, csv.DictReader(io.StringIO(text, newline=""), strict=True)))
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} is not a CSV file in UTF-8: {error}") from error
        if not conditions:
            raise DataError(f"{path} has no rows; write one row for each record")
        return cls.from_conditions(conditions)

    def condition(self, index: int) -> Condition:
        """The condition asked of record `index`."""
        if index < 0 or (self.length is not None and index >= self.length):
            raise ConditionError(f"no record {index} in a cohort of {self.length or 'any number of'} records")
        return self.conditions[index % len(self.conditions)]

    def count(self, start: int = 0, n: int | None = None) -> int:
        """How many records to make from record `start` on, when the user asked for `n` or did not say.

        Unasked, a cohort with an end gives all that is left of it, one without end gives one record a condition.

        Raises:
            ConditionError: fewer than `n` records are left, or none.
        """
        if self.length is None:
            return len(self.conditions) if n is None else n
        left = max(self.length - start, 0)
        if left == 0 or (n is not None and n > left):
            raise ConditionError(
                f"{n or 'any'} records asked for from record {start} on, but the cohort has {self.length} in all"
            )
        return left if n is None else n


def _refuse_blank_lines(path: Path, text: str) -> None:
    """A blank line is no row to the csv module: skipping it would move all records after it."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if "" in lines:
        raise ConditionError(
            f'{path}, line {lines.index("") + 1} is blank; write "" for a record of which all is drawn, or delete it'
        )


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[Condition]:
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    try:
        check_known("column", columns, CSV_COLUMNS)
    except ConditionError as error:
        raise DataError(f"{path}: {error}") from error
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}: a column occurs twice in {', '.join(columns)}")
    reader.fieldnames = columns
    for row in reader:
        try:
            yield _condition(row)
        except ConditionError as error:
            raise ConditionError(f"{path}, line {reader.line_num}: {error}") from error


def _condition(row: dict[str, str | None]) -> Condition:
    # csv.DictReader files the cells beyond the last column under None.
    if None in row:
        raise ConditionError("the row has more cells than the file has columns")
    cells = {name: (cell or "").strip() for name, cell in row.items()}
    statements = tuple(code.strip() for code in cells.get("statements", "").split("+") if code.strip())
    condition = Condition(
        statements=statements,
        heart_rate=_span(cells, "heart_rate"),
        age=_span(cells, "age"),
        sex=cells.get("sex", "").upper() or None,  # type: ignore[arg-type]
    )
    _check(condition)
    return condition


def _check(condition: Condition) -> None:
    check_known("statement", condition.statements, STATEMENTS)
    condition.check()


def _span(cells: dict[str, str], column: str) -> float | Span | None:
    text = cells.get(column)
    if not text:
        return None
    try:
        return parse_span(text)
    except ConditionError as error:
        raise ConditionError(f"{column} {error}") from error
