"""The table of records: one CSV row for each, with units in the names of its columns."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgsdk.conditions import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ecgsdk.dataset.contents import Dataset, Row

__all__ = ["TABLE", "Column", "columns", "write_table"]

TABLE = "records.csv"


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: with its unit.
        kind: "Integer", "Float" or "Text", as schema.org calls it.
        meaning: one sentence.
        value: its cell of a row; empty where it is not known.
    """

    name: str
    kind: str
    meaning: str
    value: Callable[[Row], str]


def columns(dataset: Dataset, wfdb_names: Sequence[str]) -> list[Column]:
    """The columns of a data set, in order; `wfdb_names` are the names in wfdb/RECORDS, or none."""
    asked = "of the real ECG that it was made from" if dataset.resynthesised else "asked of the model"
    rate = ", as its file says or else as measured" if dataset.resynthesised else ""
    chosen = [
        Column("record", "Integer", "Number of the record, counted from 0; its row in ecg.h5.", lambda r: str(r.record))
    ]
    if wfdb_names:
        text = "Path of the WFDB record, without .hea and .dat."
        chosen.append(Column("wfdb_record", "Text", text, lambda r: f"wfdb/{wfdb_names[r.record]}"))
    chosen += [
        Column("group", "Text", f"Standard group: {', '.join(GROUPS)}.", lambda r: r.group),
        Column("split", "Text", "train or test.", lambda r: r.split),
        Column(
            "statements", "Text", f"SCP-ECG codes {asked}, joined by +.", lambda r: "+".join(r.condition.statements)
        ),
        Column(
            "heart_rate_bpm",
            "Float",
            f"Mean ventricular rate {asked}{rate}.",
            lambda r: _number(r.condition.heart_rate),
        ),
        Column("age_years", "Float", f"Age {asked}; 90 stands for 90 and above.", lambda r: _number(r.condition.age)),
        Column("sex", "Text", f"M or F, {asked}.", lambda r: r.condition.sex or ""),
        Column(
            "measured_heart_rate_bpm",
            "Float",
            "Mean ventricular rate from the first to the last beat found in the record.",
            lambda r: _number(round(r.measured_heart_rate, 1)),
        ),
    ]
    if dataset.resynthesised:
        text = "Number of the real ECG that the record was made from, which names no record of PTB-XL."
        chosen.append(Column("source", "Integer", text, lambda r: str(r.source)))
    return chosen


def write_table(path: Path, dataset: Dataset, chosen: Sequence[Column]) -> None:
    """Writes the table, in UTF-8 with a line feed after each row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in chosen)
        writer.writerows([column.value(row) for column in chosen] for row in dataset.rows)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) and math.isfinite(value) else ""
