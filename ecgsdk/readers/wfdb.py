"""WFDB records as an ECGSource: a folder, or a list of records; PhysioNet's, the Challenges' and our own."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ecgsdk.batch import Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.source import ECGSource, fit_signals, fitted_length, needed_length
from ecgsdk.readers.wfdb_record import Header, read_header, read_signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["read_wfdb"]

_SEXES: dict[str, Literal["M", "F"]] = {"m": "M", "male": "M", "f": "F", "female": "F"}


@dataclass(frozen=True)
class _Fit:
    """How the records are brought to one rate and length."""

    sampling_rate: float
    samples: int
    allow_nan: bool


def read_wfdb(
    paths: str | Path | Iterable[str | Path],
    *,
    sampling_rate: float | None = None,
    seconds: float | None = None,
    allow_nan: bool = False,
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

    Returns:
        A source whose identifiers are those that ecgsdk wrote, or the records' paths below their common folder.

    Raises:
        DataError: nothing found; a record that cannot be read, is too short, or differs from the first in rate,
            length or origin; leads other than the standard twelve are refused when signals are read.
    """
    root, headers = _find_headers(paths)
    first = read_header(headers[0])
    rate = first.sampling_rate if sampling_rate is None else float(sampling_rate)
    length = fitted_length(str(first.path), first.samples, first.sampling_rate, rate, seconds)
    provenance = _provenance(first)
    conditions, identifiers = [], []
    for path in headers:
        header = first if path == headers[0] else read_header(path)
        _check_alike(header, first, rate, length, sampling_rate, seconds)
        if _provenance(header) != provenance:
            raise DataError(f"{path} was not made by what made {first.path}; read them as two sources")
        conditions.append(_condition(header))
        identifiers.append(header.fields.get("identifier") or path.relative_to(root).with_suffix("").as_posix())
    return ECGSource(
        name=str(root),
        sampling_rate=rate,
        samples=length,
        conditions=tuple(conditions),
        identifiers=tuple(identifiers),
        folds=(None,) * len(headers),
        read=partial(_read, tuple(headers), _Fit(rate, length, allow_nan)),
        provenance=provenance,
    )


def _read(headers: tuple[Path, ...], fit: _Fit, chosen: Sequence[int]) -> np.ndarray:
    signals = np.empty((len(chosen), 12, fit.samples), dtype=np.float32)
    for row, i in enumerate(chosen):
        header = read_header(headers[i])
        needed = needed_length(fit.samples, header.sampling_rate, fit.sampling_rate)
        record = read_signals(header, samples=needed, allow_nan=fit.allow_nan)
        signals[row] = fit_signals(record, header.sampling_rate, fit.sampling_rate, fit.samples)
    return signals


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
        lines = records.read_text(encoding="utf-8", errors="replace").splitlines()
        headers = [header for line in lines if line.strip() for header in _entry(folder / line.strip())]
    else:
        headers = sorted(folder.rglob("*.hea"))
    if not headers:
        raise DataError(f"{folder} holds no WFDB records (.hea files)")
    return headers


def _entry(path: Path) -> list[Path]:
    """The records that one line of RECORDS stands for: one, or all of a folder as the Challenges have it."""
    return sorted(path.rglob("*.hea")) if path.is_dir() else [_header_path(path)]


def _header_path(path: Path) -> Path:
    return path if path.suffix == ".hea" else path.with_name(path.name + ".hea")


def _check_alike(
    header: Header, first: Header, rate: float, length: int, sampling_rate: float | None, seconds: float | None
) -> None:
    if sampling_rate is None and header.sampling_rate != first.sampling_rate:
        raise DataError(
            f"{header.path} has {header.sampling_rate:g} Hz and {first.path} {first.sampling_rate:g} Hz; "
            "resample them to one rate with sampling_rate="
        )
    if fitted_length(str(header.path), header.samples, header.sampling_rate, rate, seconds) != length:
        raise DataError(
            f"{header.path} is {header.samples / header.sampling_rate:g} s long and {first.path} "
            f"{first.samples / first.sampling_rate:g} s; crop them to one length with seconds="
        )


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
