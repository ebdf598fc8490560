"""Files of one record each, as an ECGSource: what they must have in common, and how they are brought to one length."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS
from ecgsdk.readers.source import ECGSource, all_left_out, check_rate, fit_signals, fitted_length, needed_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ecgsdk.batch import Provenance
    from ecgsdk.conditions import Condition
    from ecgsdk.readers.marking import Marking

__all__ = ["Fit", "RecordFacts", "check_numbers", "files_below", "marked_facts", "source_of_records"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Fit:
    """The rate and length that all records are asked to have, and what becomes of those that cannot be read.

    Attributes:
        sampling_rate: Hz to resample to; None takes the records as they are.
        seconds: how much of each record's beginning is taken; None takes all.
        skip_damaged: whether records that cannot be read, or are too short, are left out; else they are an error.
    """

    sampling_rate: float | None = None
    seconds: float | None = None
    skip_damaged: bool = False


@dataclass(frozen=True)
class RecordFacts:
    """What one file says of its record, without the signals.

    Attributes:
        path: the file.
        sampling_rate: Hz.
        samples: samples of each lead.
        condition: what is known of the record.
        identifier: the name that the file gives it, which may be empty; None takes its path below the folder.
        provenance: what made it; None for a real record.
    """

    path: Path
    sampling_rate: float
    samples: int
    condition: Condition
    identifier: str | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True)
class _Common:
    """The rate in Hz and the samples a lead that all records are brought to."""

    sampling_rate: float
    samples: int


def marked_facts(
    path: Path, sampling_rate: float, samples: int, marking: Marking | None, condition: Condition
) -> RecordFacts:
    """What a file says of its record: by ecgsdk's marking in it, or else the `condition` that other programs give."""
    if marking is None:
        return RecordFacts(path, sampling_rate, samples, condition)
    return RecordFacts(path, sampling_rate, samples, marking.condition, marking.identifier, marking.provenance)


def source_of_records(
    root: Path,
    items: Iterable[Item],
    facts_of: Callable[[Item], RecordFacts],
    read: Callable[[Path, int], np.ndarray],
    fit: Fit,
) -> ECGSource:
    """A source of these records, read one by one.

    Args:
        root: the folder or file that was asked for.
        items: files, or rows of a list; at least one.
        facts_of: what one of them says of its record.
        read: float32 mV, shape (12, samples), from a file and a number of samples: the first ones, or more.
        fit: the rate and length that are asked for.

    Raises:
        DataError: a record differs from the first in rate, length or origin, and `fit` does not mend it; or it is
            damaged or too short, and `fit` does not leave such ones out.
    """
    known: list[RecordFacts] = []
    left_out: list[str] = []
    first, common = None, None
    for item in items:
        try:
            facts = facts_of(item)
            fitting = _common(facts, fit)
        except DataError as error:
            if not fit.skip_damaged:
                raise
            left_out.append(str(error))
            continue
        if first is None or common is None:
            first, common = facts, fitting
        _check_alike(facts, first, common, fit)
        known.append(facts)
    if first is None or common is None:
        raise DataError(all_left_out(root, left_out) if left_out else f"{root} holds no records")
    folder = root if root.is_dir() else root.parent
    return ECGSource(
        name=str(root),
        sampling_rate=common.sampling_rate,
        samples=common.samples,
        conditions=tuple(facts.condition for facts in known),
        identifiers=tuple(
            _below(folder, facts.path) if facts.identifier is None else facts.identifier for facts in known
        ),
        folds=(None,) * len(known),
        read=partial(_read, tuple((facts.path, facts.sampling_rate) for facts in known), read, common),
        provenance=first.provenance,
        left_out=tuple(left_out),
    )


def _common(facts: RecordFacts, fit: Fit) -> _Common:
    """The rate and length that the record gets.

    Raises:
        DataError: it is too short for that, or has a rate that no ECG has.
    """
    check_rate(facts.path, facts.sampling_rate)
    rate = facts.sampling_rate if fit.sampling_rate is None else float(fit.sampling_rate)
    return _Common(rate, fitted_length(str(facts.path), facts.samples, facts.sampling_rate, rate, fit.seconds))


def check_numbers(name: str | Path, signals: np.ndarray) -> np.ndarray:
    """The signals (…, 12, samples) as they are.

    Raises:
        DataError: a sample is not a finite number.
    """
    finite = np.isfinite(signals).all(axis=-1)
    if not finite.all():
        lead = LEADS[int(np.argwhere(~finite)[0][-1])]
        raise DataError(f"{name}: lead {lead} has samples that are no numbers; leave the record out")
    return signals


def files_below(folder: Path) -> list[Path]:
    """All files at every depth of a folder, sorted; without hidden ones, which are not data."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place) / name for name in sorted(names) if not name.startswith(".")]
    return sorted(found)


def _read(
    files: tuple[tuple[Path, float], ...],
    read: Callable[[Path, int], np.ndarray],
    common: _Common,
    chosen: Sequence[int],
) -> np.ndarray:
    signals: np.ndarray | None = None
    for row, i in enumerate(chosen):
        path, rate = files[i]
        record = read(path, needed_length(common.samples, rate, common.sampling_rate))
        fitted = fit_signals(record, rate, common.sampling_rate, common.samples)
        if fitted.shape[-1] != common.samples:
            held, needed = record.shape[-1] / rate, common.samples / common.sampling_rate
            raise DataError(f"{path} is truncated: it holds {held:g} s of the {needed:g} s announced; get it again")
        if signals is None:
            # Not before the first record was read: a file may announce any length.
            signals = np.empty((len(chosen), *fitted.shape), dtype=np.float32)
        signals[row] = fitted
    return np.empty((0, len(LEADS), common.samples), dtype=np.float32) if signals is None else signals


def _check_alike(facts: RecordFacts, first: RecordFacts, common: _Common, fit: Fit) -> None:
    if fit.sampling_rate is None and facts.sampling_rate != first.sampling_rate:
        raise DataError(
            f"{facts.path} has {facts.sampling_rate:g} Hz and {first.path} {first.sampling_rate:g} Hz; "
            "resample them to one rate with sampling_rate= (--sampling-rate)"
        )
    if _common(facts, fit).samples != common.samples:
        raise DataError(
            f"{facts.path} is {facts.samples / facts.sampling_rate:g} s long and {first.path} "
            f"{first.samples / first.sampling_rate:g} s; crop them to one length with seconds= (--seconds)"
        )
    if facts.provenance != first.provenance:
        raise DataError(f"{facts.path} was not made by what made {first.path}; read them as two sources")


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()
