"""Shortages: which labels and classes have too few records to be learned and scored, said by side, class and number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecgsdk.validation.utility.tasks import TaskRows

__all__ = ["FEWEST", "class_shortage", "enough", "label_shortage"]

FEWEST = 10
"""Records with a label, and without it, that each side needs to train and to test: an AUROC of fewer says little."""


def enough(sides: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which labels have enough records with and without them on every side: bool, shape (labels,).

    Args:
        sides: which labels the records of each side carry, bool, shape (n, labels).
    """
    fewest = np.array([_fewest(labels) for labels in sides.values()]).min(axis=0)
    return np.asarray(fewest >= FEWEST)


def label_shortage(sides: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """Which labels lack records, each on the side where it lacks most, and how many it has there."""
    lacking = np.flatnonzero(~enough(sides))
    fewest = {side: _fewest(labels) for side, labels in sides.items()}
    worst = {k: min(sides, key=lambda side: fewest[side][k]) for k in lacking}
    told = [
        f"of {len(labels)} {side} records {', '.join(_counted(names[k], labels[:, k]) for k in here)}"
        for side, labels in sides.items()
        if (here := [k for k in lacking if worst[k] == side])
    ]
    return f"{FEWEST} records with and {FEWEST} without each label are needed to train and to test: {'; '.join(told)}"


def class_shortage(sides: Mapping[str, TaskRows], group: str) -> str:
    """What a binary task lacks, by side and class; empty where there is enough of all."""
    lacking = [
        f"{side} records: {count} of {name}"
        for side, rows in sides.items()
        for name, count in (("normal", int((~rows.labels).sum())), (group, int(rows.labels.sum())))
        if count < FEWEST
    ]
    return f"{FEWEST} of each class are needed; {'; '.join(lacking)}; give more ECGs" if lacking else ""


def _fewest(labels: np.ndarray) -> np.ndarray:
    """Number of records with or without each label, whichever are fewer."""
    with_it = labels.sum(axis=0)
    return np.minimum(with_it, len(labels) - with_it)


def _counted(name: str, carried: np.ndarray) -> str:
    """How many records carry the label; where few do not, how many those are."""
    count = int(carried.sum())
    return f"{name} {count}" if 2 * count <= len(carried) else f"{name} all but {len(carried) - count}"
