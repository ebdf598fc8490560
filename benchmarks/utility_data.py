"""The ECGs and labels of `benchmarks/utility.py`: real rows, and synthetic records asked for with the same rows.

Example (Python):

    source = ecgsdk.read_ecgs("ptb-xl", folds=range(1, 9))
    rows = choose_rows(source.conditions, 12_000, seed=0)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

import ecgsdk
from ecgsdk.conditions import STATEMENTS, Condition
from ecgsdk.leads import to_eight

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecgsdk.models import Card
    from ecgsdk.readers import ECGSource

__all__ = ["LABELS", "TASKS", "Rows", "choose_rows", "eight_leads", "label_matrix", "write_synthetic"]

LABELS = {
    "NORM": ("NORM",),
    "AFIB/AFLT": ("AFIB", "AFLT"),
    **{code: (code,) for code in ("1AVB", "CLBBB", "CRBBB", "LVH", "IRBBB", "LAFB", "SBRAD", "STACH")},
    **{code: (code,) for code in ("MI", "STTC", "PVC", "PAC", "SARRH")},
}
"""The 15 labels, and the statements that make each of them true."""

TASKS = {"afib": "AFIB/AFLT", "1avb": "1AVB", "lbbb": "CLBBB", "rbbb": "CRBBB", "lvh": "LVH"}
"""The five binary tasks, each a group against norm, and its label."""


@dataclass(frozen=True)
class Rows:
    """Records chosen to train on.

    Attributes:
        positions: in the source, in the order drawn.
        asked: what the generator is asked for each: the row's statements, age and sex; its heart rate is not known.
        skipped: records passed over because their statements contradict each other.
    """

    positions: np.ndarray
    asked: tuple[Condition, ...]
    skipped: int


def choose_rows(conditions: Sequence[Condition], n: int, seed: int) -> Rows:
    """`n` records drawn without replacement, or all there are."""
    positions: list[int] = []
    asked: list[Condition] = []
    skipped = 0
    for position in np.random.default_rng(seed).permutation(len(conditions)):
        if len(positions) == n:
            break
        row = conditions[position]
        known = Condition(tuple(c for c in row.statements if c in STATEMENTS), None, row.age, row.sex)
        try:
            known.check()
        except ecgsdk.ConditionError:
            skipped += 1
            continue
        positions.append(int(position))
        asked.append(known)
    return Rows(np.array(positions), tuple(asked), skipped)


def label_matrix(conditions: Sequence[Condition]) -> np.ndarray:
    """Which of the 15 labels each record carries: bool, shape (n, 15)."""
    wanted = [set(codes) for codes in LABELS.values()]
    return np.array([[bool(codes & set(c.statements)) for codes in wanted] for c in conditions], dtype=bool)


def eight_leads(source: ECGSource, what: str) -> np.ndarray:
    """Leads I, II, V1–V6 of all records: float32 mV, shape (n, 8, samples)."""
    signals = np.empty((len(source), 8, source.samples), dtype=np.float32)
    with tqdm(total=len(source), desc=f"reading {what}", leave=False, disable=None) as progress:
        done = 0
        for batch in source.batches():
            signals[done : done + len(batch)] = to_eight(batch.signals)
            done += len(batch)
            progress.update(len(batch))
    return signals


def write_synthetic(
    path: Path,
    asked: Sequence[Condition],
    *,
    model: str | None,
    seed: int,
    steps: int | None = None,
    guidance: float | None = None,
) -> None:
    """One synthetic record for each condition, at 100 Hz, in an HDF5 file."""
    generator = ecgsdk.load_generator(model)
    cohort = ecgsdk.Cohort.from_conditions([fitted(condition, generator.card) for condition in asked])
    provenance = generator.provenance(seed=seed, steps=steps, guidance=guidance)
    batches = generator.generate(cohort, len(asked), seed=seed, sampling_rate=100, steps=steps, guidance=guidance)
    writer = ecgsdk.open_writer(path, "hdf5", sampling_rate=100, total=len(asked), provenance=provenance)
    with writer as sink, tqdm(total=len(asked), desc="generating", leave=False, mininterval=5) as progress:
        for batch in batches:
            sink.write(batch)
            progress.update(len(batch))


def fitted(condition: Condition, card: Card) -> Condition:
    """The condition within what the model has learned."""
    statements = tuple(code for code in condition.statements if code in card.statements)
    low, high = card.age
    age = None if condition.age is None else min(max(float(condition.age), low), high)  # type: ignore[arg-type]
    return replace(condition, statements=statements, age=age)
