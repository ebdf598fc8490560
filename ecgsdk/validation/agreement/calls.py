"""Calls of a fixed classifier on real and on synthetic ECGs: how often they are made, and how often the same.

The floor of both is real ECGs against other real ECGs of the same condition: two patients with the same statements do
not get the same calls either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.conditions import GROUPS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ecgsdk.conditions import Condition

__all__ = [
    "OTHER",
    "FixedCalls",
    "LabelCalls",
    "cohens_kappa",
    "group_members",
    "matched_pairs",
    "rate_difference_interval",
    "record_pairs",
    "split_rates",
]

OTHER = "other"
"""Name of the group of records that belong to no standard group."""

_Z = 1.959964
"""97.5th percentile of the standard normal distribution."""


@dataclass(frozen=True, eq=False)
class LabelCalls:
    """One label on one set of ECGs.

    Attributes:
        rows: positions of the records that count.
        truth: whether each of them carries a statement of the label.
        scores: its probability.
        called: whether it is called.
    """

    rows: np.ndarray
    truth: np.ndarray
    scores: np.ndarray
    called: np.ndarray


@dataclass(frozen=True, eq=False)
class FixedCalls:
    """What one fixed classifier said of real and of synthetic ECGs.

    Attributes:
        name: of the classifier, for people.
        labels: its own names.
        statements: for each label that has them, the statements any of which make it true.
        thresholds: probability from which on each label is called, shape (labels,).
        real, synthetic: probabilities, shape (records, labels).
        real_conditions, synthetic_conditions: what is known of, or was asked of, each record.
        paired: whether synthetic record i was asked for with what is known of real record i.
    """

    name: str
    labels: tuple[str, ...]
    statements: Mapping[str, tuple[str, ...]]
    thresholds: np.ndarray
    real: np.ndarray
    synthetic: np.ndarray
    real_conditions: tuple[Condition, ...]
    synthetic_conditions: tuple[Condition, ...]
    paired: bool = True

    def __post_init__(self) -> None:
        expected = (len(self.real_conditions), len(self.labels)), (len(self.synthetic_conditions), len(self.labels))
        if (self.real.shape, self.synthetic.shape) != expected or len(self.thresholds) != len(self.labels):
            raise ValueError(f"{self.name}: probabilities, conditions, labels and thresholds do not go together")
        if self.paired and len(self.real) != len(self.synthetic):
            raise ValueError(f"{self.name}: {len(self.real)} real and {len(self.synthetic)} synthetic records, paired")

    def called(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each label is called on each real and on each synthetic record, bool of shape (records, labels)."""
        return self.real >= self.thresholds, self.synthetic >= self.thresholds

    def of(self, label: str) -> tuple[LabelCalls, LabelCalls]:
        """One label on real and on synthetic ECGs.

        Pairs of which only one carries a statement of the label do not count: the twin was not asked for it.
        """
        codes, k = set(self.statements[label]), self.labels.index(label)
        sets = self.real_conditions, self.synthetic_conditions
        truths = [np.array([bool(codes & set(c.statements)) for c in conditions], dtype=bool) for conditions in sets]
        rows = [np.arange(len(truth)) for truth in truths]
        if self.paired:
            rows = [np.flatnonzero(truths[0] == truths[1])] * 2
        parts = zip(rows, truths, (self.real, self.synthetic), self.called())
        real, synthetic = (LabelCalls(kept, true[kept], p[kept, k], called[kept, k]) for kept, true, p, called in parts)
        return real, synthetic


def group_members(conditions: Sequence[Condition]) -> dict[str, np.ndarray]:
    """Positions of the records of each standard group, and of those in none under `OTHER`; groups may overlap."""
    of = [condition.groups() or (OTHER,) for condition in conditions]
    return {name: np.array([i for i, names in enumerate(of) if name in names], dtype=int) for name in (*GROUPS, OTHER)}


def record_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How often record i gets which call in `first` and in `second`.

    Args:
        first, second: bool, shape (n, labels).

    Returns:
        Numbers of records, shape (labels, 2, 2): [label, called in the first, called in the second].
    """
    cells = [[(~first & ~second), (~first & second)], [(first & ~second), (first & second)]]
    return np.moveaxis(np.array(cells, dtype=np.float64).sum(axis=2), -1, 0)


def matched_pairs(
    first: np.ndarray,
    first_keys: Sequence[Hashable],
    second: np.ndarray | None = None,
    second_keys: Sequence[Hashable] = (),
) -> np.ndarray:
    """`record_pairs` expected of each record of `first` with one drawn from those of `second` of the same key.

    Exact, not drawn: all pairs of a key are counted, and each record of `first` weighs one. Records without a partner
    are left out.

    Args:
        first, second: bool, shapes (n, labels) and (m, labels). Without `second`, records of `first` are paired with
            each other, and none with itself.
        first_keys, second_keys: what pairs must share, for each record.
    """
    themselves = 1 if second is None else 0
    second, second_keys = (first, first_keys) if second is None else (second, second_keys)
    table = np.zeros((first.shape[1], 2, 2))
    partners = _by_key(second_keys)
    for key, rows in _by_key(first_keys).items():
        others = partners.get(key, [])
        if len(others) <= themselves:
            continue
        called = first[rows].sum(axis=0, dtype=np.float64)
        ours = np.stack([len(rows) - called, called], axis=-1)
        called = second[others].sum(axis=0, dtype=np.float64)
        theirs = np.stack([len(others) - called, called], axis=-1)
        pairs = ours[:, :, None] * theirs[:, None, :]
        pairs[:, [0, 1], [0, 1]] -= themselves * ours
        table += pairs / (len(others) - themselves)
    return table


def cohens_kappa(pairs: np.ndarray) -> np.ndarray:
    """Agreement beyond chance, 1 at most, 0 for calls that do not depend on each other (Cohen 1960).

    Args:
        pairs: shape (labels, 2, 2), as `record_pairs` gives them.

    Returns:
        Shape (labels,), NaN where one and the same call was made everywhere.
    """
    shares = _ratio(pairs, pairs.sum(axis=(1, 2), keepdims=True))
    agreed = shares[:, 0, 0] + shares[:, 1, 1]
    by_chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    # Sums of thirds and the like end beside 1, not at it.
    return _ratio(agreed - by_chance, np.where(by_chance < 1 - 1e-12, 1 - by_chance, 0))


def split_rates(
    real: np.ndarray, synthetic: np.ndarray, *, paired: bool, splits: int, generator: np.random.Generator
) -> np.ndarray:
    """How often each label is called among records of one condition, in halves of them drawn again and again.

    Args:
        real, synthetic: bool, shapes (n, labels) and (m, labels); if `paired`, n = m and record i is i's twin.

    Returns:
        Shape (splits, 3, labels): in half of the real records, in the other half, and in as many synthetic ones:
        the twins of the other half or, unpaired, any.
    """
    half = len(real) // 2
    if not half or not len(synthetic):
        return np.full((splits, 3, real.shape[1]), np.nan)
    rates = np.empty((splits, 3, real.shape[1]))
    for split in range(splits):
        order = generator.permutation(len(real))
        other = order[half : 2 * half]
        twins = other if paired else generator.permutation(len(synthetic))[:half]
        rates[split] = real[order[:half]].mean(axis=0), real[other].mean(axis=0), synthetic[twins].mean(axis=0)
    return rates


def rate_difference_interval(first: tuple[float, int], second: tuple[float, int]) -> tuple[float, float]:
    """95 % interval of the second share minus the first, of independent samples.

    From the score intervals of both (Newcombe 1998, Statistics in Medicine 17:873, method 10).

    Args:
        first, second: share, 0 to 1, and number of records.
    """
    (low_1, high_1), (low_2, high_2) = _score_interval(*first), _score_interval(*second)
    difference = second[0] - first[0]
    below = np.hypot(second[0] - low_2, high_1 - first[0])
    above = np.hypot(high_2 - second[0], first[0] - low_1)
    return float(difference - below), float(difference + above)


def _score_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, Journal of the American Statistical Association 22:209)."""
    centre = 2 * n * share + _Z**2
    width = _Z * np.sqrt(_Z**2 + 4 * n * share * (1 - share))
    return (centre - width) / (2 * (n + _Z**2)), (centre + width) / (2 * (n + _Z**2))


def _by_key(keys: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
