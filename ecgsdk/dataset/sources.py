"""Which real ECGs a synthesiser starts from: sound records of one standard group each, drawn by a seed."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.beats import detect_beats, heart_rate
from ecgsdk.conditions import GROUPS
from ecgsdk.dataset.split import shuffled_place
from ecgsdk.errors import DataError
from ecgsdk.leads import to_eight
from ecgsdk.readers import read_ecgs
from ecgsdk.soundness import fit_for_training

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ecgsdk.conditions import Condition
    from ecgsdk.dataset.plan import Plan
    from ecgsdk.readers import ECGSource
    from ecgsdk.validation.progress import Progress

__all__ = ["Sources", "choose_sources"]

_READ_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Sources:
    """The real ECG that each record of a data set is made from.

    Attributes:
        ecgs: one real ECG for each record, in order; the same one several times where a group has too few. Where a file
            does not say the heart rate, it is measured.
        numbers: the number of each record's source, counted from 0 by first use: it names no real record.
        patients: for each record a number that all ECGs of one patient share; of the source where patients are unknown.
        patients_known: whether they are known.
    """

    ecgs: ECGSource
    numbers: tuple[int, ...]
    patients: tuple[int, ...]
    patients_known: bool

    def per_group(self) -> dict[str, int]:
        """How many different sources each group has."""
        names = list(GROUPS)
        return {name: len(set(self.numbers[i :: len(names)])) for i, name in enumerate(names)}


def choose_sources(
    plan: Plan, *, sampling_rate: float, seconds: float, folds: Collection[int], progress: Progress
) -> Sources:
    """Draws the sources of a plan from the given folds of its real ECGs.

    A source carries the statements of exactly one standard group, so that the groups have no record in common. Left
    out are records that cannot be trained on either: not finite, beyond 12 mV, with a flat lead, or with fewer than 4
    or more than 48 beats. Record k of a group uses the k-th of its drawn sources, and begins anew after the last:
    more records a group change none of the first ones.

    Raises:
        DataError: no real ECGs, or none of a group.
    """
    if plan.real is None:
        raise DataError("this model makes each ECG from a real one; say where PTB-XL lies with --real")
    ecgs = read_ecgs(plan.real, sampling_rate=sampling_rate, seconds=seconds, folds=folds)
    with progress("choosing real ECGs", plan.total) as advance:
        drawn = []
        for name in GROUPS:
            drawn.append(_draw(ecgs, name, plan.seed, plan.per_group))
            advance(plan.per_group)
    rates = {position: rate for of_group in drawn for position, rate in of_group.items()}
    # The groups take turns, and each goes round its own sources.
    turns = [tuple(of_group) for of_group in drawn]
    positions = [of_group[k % len(of_group)] for k in range(plan.per_group) for of_group in turns]
    conditions = tuple(_with_rate(ecgs.conditions[i], rates[i]) for i in positions)
    patients = _patients(Path(plan.real), ecgs)
    return Sources(
        ecgs=replace(ecgs.select(positions), conditions=conditions),
        numbers=_counted(positions),
        patients=_counted(positions if patients is None else [patients[i] for i in positions]),
        patients_known=patients is not None,
    )


def _draw(ecgs: ECGSource, group: str, seed: int, most: int) -> dict[int, float]:
    """Positions of up to `most` sound records of a group, in shuffled order, with their heart rates in bpm."""
    members = [i for i, condition in enumerate(ecgs.conditions) if condition.groups() == (group,) and condition.holds()]
    order = sorted(members, key=lambda i: shuffled_place("source", seed, ecgs.identifiers[i]))
    found: dict[int, float] = {}
    for first in range(0, len(order), _READ_AT_ONCE):
        if len(found) >= most:
            break
        chosen = order[first : first + _READ_AT_ONCE]
        rates = _sound_rates(ecgs.read(chosen), ecgs.sampling_rate)
        found |= {position: rate for position, rate in zip(chosen, rates) if rate is not None}
    if not found:
        raise DataError(f"{ecgs.name} has no sound record of the group {group} alone; give the whole of PTB-XL")
    return dict(islice(found.items(), most))


def _with_rate(condition: Condition, measured: float) -> Condition:
    """The condition, with the heart rate that was measured, to a tenth, where none is known."""
    known = condition.heart_rate is not None
    return condition if known else replace(condition, heart_rate=round(measured, 1))


def _sound_rates(signals: np.ndarray, sampling_rate: float) -> list[float | None]:
    """Heart rates of records in mV, shape (n, 12, samples); None for those that could not be trained on."""
    eight = to_eight(signals)
    # Beats are sought in what is finite; a record that is not becomes flat, and is left out for that.
    filled = np.where(np.isfinite(eight).all(axis=(1, 2), keepdims=True), eight, 0)
    beats = detect_beats(filled, sampling_rate)
    sound = fit_for_training(filled, beats)
    return [heart_rate(found) if good else None for found, good in zip(beats, sound)]


def _patients(folder: Path, ecgs: ECGSource) -> list[str] | None:
    """The patient of each record; None where the folder does not tell."""
    by_record = _patient_column(folder / "ptbxl_database.csv")
    known = [by_record.get(identifier, "") for identifier in ecgs.identifiers]
    if not any(known):
        return None
    return [patient or f"record {identifier}" for patient, identifier in zip(known, ecgs.identifiers)]


def _patient_column(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {row["ecg_id"]: row.get("patient_id") or "" for row in csv.DictReader(file)}


def _counted(keys: Sequence[object]) -> tuple[int, ...]:
    """Each key as a number, counted from 0 by first appearance."""
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)
