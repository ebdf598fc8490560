"""WFDB records as an ECGSource: a folder, or a list of records; PhysioNet's, the Challenges' and our own."""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecgsdk.batch import Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.damage import MEBIBYTE, check_size
from ecgsdk.readers.records import Fit, RecordFacts, source_of_records
from ecgsdk.readers.wfdb_record import Header, read_header, read_signals

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from ecgsdk.readers.source import ECGSource

__all__ = ["read_wfdb"]

_LARGEST_LIST = 64 * MEBIBYTE
_LONGEST_NAME = 255
_SEXES: dict[str, Literal["M", "F"]] = {"m": "M", "male": "M", "f": "F", "female": "F"}


def read_wfdb(
    paths: str | Path | Iterable[str | Path],
    *,
    sampling_rate: float | None = None,
    seconds: float | None = None,
    allow_nan: bool = False,
    skip_damaged: bool = False,
) -> ECGSource:
    """The 12-lead ECGs of WFDB records.

    Signals in formats 16 and 212, MATLAB files of the PhysioNet/CinC Challenges included. Age and sex come from
    header comments ("Age: 74" or "<age>: 74"); statements and heart rate from those that ecgsdk itself writes.

    Args:
        paths: a folder, of which the file RECORDS names the records, or which is searched for .hea files at every
            depth; or one record or several, with or without .hea.
        sampling_rate: Hz to resample to; None takes the records as they are.
        seconds: how much of each record's beginning is taken; None takes all.
        allow_nan: give samples marked as invalid as NaN, instead of refusing the record.
        skip_damaged: as for `ecgsdk.read_ecgs`.

    Returns:
        A source whose identifiers are those that ecgsdk wrote, or the records' paths below their common folder.

    Raises:
        DataError: nothing found; a record that cannot be read, is too short, or differs from the first in rate,
            length or origin; leads other than the standard twelve are refused when signals are read.
    """
    root, headers = _find_headers(paths)
    fit = Fit(sampling_rate, seconds, skip_damaged)
    return source_of_records(root, headers, _facts, partial(_read, allow_nan), fit)


def _facts(path: Path) -> RecordFacts:
    header = read_header(path)
    return RecordFacts(
        path=header.path,
        sampling_rate=header.sampling_rate,
        samples=header.samples,
        condition=_condition(header),
        identifier=header.fields.get("identifier"),
        provenance=_provenance(header),
    )


def _read(allow_nan: bool, path: Path, samples: int) -> np.ndarray:
    return read_signals(read_header(path), samples=samples, allow_nan=allow_nan)


def _find_headers(paths: str | Path | Iterable[str | Path]) -> tuple[Path, list[Path]]:
    """The folder that identifiers are relative to, and the .hea files."""
    if isinstance(paths, (str, Path)):
        if Path(paths).is_dir():
            return Path(paths), _headers_below(Path(paths))
        paths = [paths]
    headers = [_header_path(Path(path)) for path in paths]
    if not headers:
        raise DataError("no WFDB records given")
    return Path(os.path.commonpath([path.absolute().parent for path in headers])), [p.absolute() for p in headers]


def _headers_below(folder: Path) -> list[Path]:
    records = folder / "RECORDS"
    if records.is_file():
        check_size(records, _LARGEST_LIST, "the list")
        lines = records.read_text(encoding="utf-8", errors="replace").splitlines()
        headers = [header for line in lines if line.strip() for header in _entry(records, line.strip())]
    else:
        headers = sorted(folder.rglob("*.hea"))
    if not headers:
        raise DataError(f"{folder} holds no WFDB records (.hea files)")
    return headers


def _entry(records: Path, line: str) -> list[Path]:
    """The records that one line of RECORDS stands for: one, or all of a folder as the Challenges have it.

    Raises:
        DataError: they lie outside of the folder, or the line is no path.
    """
    name = Path(line)
    if name.is_absolute() or name.drive or ".." in name.parts or "\0" in line or len(line.encode()) > _LONGEST_NAME:
        raise DataError(f"{records} is damaged: {line[:80]!r} is no record below its folder; take the line out")
    path = records.parent / name
    return sorted(path.rglob("*.hea")) if path.is_dir() else [_header_path(path)]


def _header_path(path: Path) -> Path:
    return path if path.suffix == ".hea" else path.with_name(path.name + ".hea")


def _condition(header: Header) -> Condition:
    fields = header.fields
    return Condition(
        statements=tuple(code for code in fields.get("statements", "").split("+") if code),
        heart_rate=_number(fields.get("heart rate", "")),
        age=_number(fields.get("age", "")),
        sex=_SEXES.get(fields.get("sex", "").lower()),
    )


def _number(text: str) -> float | None:
    """A number of 0 or more; None for "NaN", "Unknown", and the -1 that some Challenge headers have."""
    try:
        value = float(text.split()[0])
    except (ValueError, IndexError):
        return None
    return value if 0 <= value < math.inf else None


def _provenance(header: Header) -> Provenance | None:
    """What the comments of our writer say of a synthetic record; None for any other."""
    fields = header.fields
    if "synthetic ecg" not in fields:
        return None
    try:
        known = {name.replace(" ", "_").replace("-", ""): value for name, value in fields.items()}
        version = fields["synthetic ecg"].removeprefix("ecgsdk").strip()
        return Provenance.from_dict(known | {"version": version})
    except (KeyError, ValueError):
        raise DataError(f"{header.path}: the comments on its origin are damaged; write the record again") from None
