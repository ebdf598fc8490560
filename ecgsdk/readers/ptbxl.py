"""PTB-XL as PhysioNet publishes it (Wagner et al. 2020, Scientific Data 7:154), as an ECGSource."""

from __future__ import annotations

import ast
import csv
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.damage import first_line
from ecgsdk.readers.source import ECGSource, all_left_out
from ecgsdk.readers.wfdb_record import read_header, read_signals

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["OLDEST", "SUPERCLASSES", "read_ptbxl"]

SUPERCLASSES = ("MI", "STTC")
"""Diagnostic classes that are added as statements of their own."""

OLDEST = 90.0
"""Age given to everybody of 90 or more: PTB-XL hides ages over 89, as 300 in recent releases."""

_DATABASE, _STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
_FILE_COLUMNS = {100.0: "filename_lr", 500.0: "filename_hr"}
_COLUMNS = ("ecg_id", "age", "sex", "scp_codes", "strat_fold")
_SEXES: dict[str, Literal["M", "F"]] = {"0": "M", "1": "F", "0.0": "M", "1.0": "F"}
# What a fold of 1e999, or codes nested a thousand deep, raise.
_ABSURD = (OverflowError, RecursionError, MemoryError)
_MEND = "get PTB-XL again from physionet.org/content/ptb-xl"


def read_ptbxl(
    folder: str | Path,
    *,
    sampling_rate: float = 100,
    folds: Collection[int] | None = None,
    min_likelihood: float | None = None,
    skip_damaged: bool = False,
) -> ECGSource:
    """The ECGs of a PTB-XL folder with their statements, age, sex and fold; heart rates are not known.

    A record's statements are all its SCP codes, and MI or STTC where any code belongs to that diagnostic class.

    Args:
        folder: where ptbxl_database.csv, scp_statements.csv and records100 or records500 lie.
        sampling_rate: 100 or 500 Hz.
        folds: only the records of these folds, of 1 to 10; None takes all.
        min_likelihood: leave out codes of a lower likelihood in %. A likelihood of 0 means that none was stated,
            and is never left out.
        skip_damaged: whether records are left out that have no file, as those of a part of PTB-XL, or a row that cannot
            be understood; else they are an error.

    Raises:
        DataError: a file, a column or a record is missing, a row cannot be understood, or no record is left.
    """
    folder = Path(folder)
    file_column = _FILE_COLUMNS.get(float(sampling_rate))
    if file_column is None:
        raise DataError(f"PTB-XL has no records at {sampling_rate:g} Hz; ask for 100 or 500")
    classes = _diagnostic_classes(folder / _STATEMENTS)
    rows = _read_table(folder / _DATABASE, (*_COLUMNS, file_column))
    found: list[_Row] = []
    left_out: list[str] = []
    for number, row in enumerate(rows, start=2):
        try:
            understood = _understood(folder, number, row, file_column, folds, classes, min_likelihood)
        except DataError as error:
            if not skip_damaged:
                raise
            left_out.append(str(error))
        else:
            found += [understood] if understood else []
    if not found:
        raise DataError(
            all_left_out(folder, left_out)
            if left_out
            else f"{folder} has no records" + ("" if folds is None else f" in folds {sorted(folds)}")
        )
    files = tuple(row.file for row in found)
    samples = _samples(files, skip_damaged)
    return ECGSource(
        name=str(folder),
        sampling_rate=float(sampling_rate),
        samples=samples,
        conditions=tuple(row.condition for row in found),
        identifiers=tuple(row.identifier for row in found),
        folds=tuple(row.fold for row in found),
        read=partial(_read, files, float(sampling_rate), samples),
        left_out=tuple(left_out),
    )


def _samples(files: Sequence[Path], skip_damaged: bool) -> int:
    """Samples of all records: those of the first, or of the first that can be read."""
    for file in files if skip_damaged else ():
        with suppress(DataError):
            return read_header(file).samples
    return read_header(files[0]).samples


class _Row(NamedTuple):
    """A row of the database that is asked for."""

    identifier: str
    condition: Condition
    fold: int
    file: Path


def _understood(
    folder: Path,
    number: int,
    row: Mapping[str, str],
    file_column: str,
    folds: Collection[int] | None,
    classes: Mapping[str, str],
    min_likelihood: float | None,
) -> _Row | None:
    """What the row with this line number says; None where it is of another fold."""
    try:
        fold = int(float(row["strat_fold"]))
        if folds is not None and fold not in folds:
            return None
        condition = _condition(row, classes, min_likelihood)
    except (ValueError, SyntaxError, TypeError, AttributeError, *_ABSURD) as error:
        raise DataError(
            f"{folder / _DATABASE}, line {number}: cannot be understood ({first_line(error)}); {_MEND}"
        ) from None
    return _Row(row["ecg_id"], condition, fold, _header_path(folder, row, file_column))


def _read(files: tuple[Path, ...], sampling_rate: float, samples: int, chosen: Sequence[int]) -> np.ndarray:
    records = []
    for i in chosen:
        header = read_header(files[i])
        if (header.sampling_rate, header.samples) != (sampling_rate, samples):
            raise DataError(f"{files[i]} is not {samples} samples at {sampling_rate:g} Hz; {_MEND}")
        records.append(read_signals(header))
    return np.stack(records) if records else np.empty((0, 12, samples), dtype=np.float32)


def _read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {', '.join(map(repr, missing))}; {_MEND}")
            return [{name: row[name] for name in columns} for row in reader]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; {_MEND}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({error}); {_MEND}") from error


def _diagnostic_classes(path: Path) -> dict[str, str]:
    """The diagnostic superclass of each SCP code; the column of codes has no name in PTB-XL."""
    return {row[""]: row["diagnostic_class"] for row in _read_table(path, ("", "diagnostic_class"))}


def _condition(row: Mapping[str, str], classes: Mapping[str, str], min_likelihood: float | None) -> Condition:
    likelihoods = ast.literal_eval(row["scp_codes"])
    codes = [code for code, likelihood in likelihoods.items() if not 0 < float(likelihood) < (min_likelihood or 0)]
    present = {classes.get(code) for code in codes}
    codes += [name for name in SUPERCLASSES if name in present and name not in codes]
    return Condition(
        statements=tuple(codes),
        age=min(float(row["age"]), OLDEST) if row["age"] else None,
        sex=_SEXES.get(row["sex"]),
    )


def _header_path(folder: Path, row: Mapping[str, str], column: str) -> Path:
    if not row[column]:
        rate = next(rate for rate, name in _FILE_COLUMNS.items() if name == column)
        raise DataError(f"{folder / _DATABASE}: record {row['ecg_id']} has no file at {rate:g} Hz ({column})")
    path = folder / (row[column] + ".hea")
    if not path.exists():
        raise DataError(f"{path} is missing, which {_DATABASE} names for record {row['ecg_id']}; {_MEND}")
    return path
