"""Membership inference: guessing from synthetic records which real ones a generator was trained on.

The attacker has the synthetic records, some real ones of the same kind, and a candidate; a higher score says "was
trained on". He sees neither the generator nor its training, as anyone who is given a synthetic data set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.privacy.neighbours import SHIFTED
from ecgsdk.validation.scores import auroc, bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecgsdk.validation.privacy.neighbours import Neighbours

__all__ = [
    "ATTACKS",
    "FEWEST",
    "NEAREST",
    "VIEW_TITLES",
    "Attempt",
    "attempts",
    "best",
    "excess",
    "isolated",
    "true_positive_rate",
]

NEAREST = 10
"""Neighbours that the attacks look at."""

ATTACKS = {
    "nearest": "distance to the nearest synthetic record (GAN-Leaks: Chen et al. 2020; Hilprecht et al. 2019)",
    "calibrated": "the same, less that to real records that have nothing to do with either side (Chen et al. 2020)",
    "density": "density of synthetic over that of real records (van Breugel et al. 2023, DOMIAS)",
    "combined": "mean over the views of the calibrated attack, each in its standard deviations",
}
"""The attacks, and where they come from."""

VIEW_TITLES = {
    "features": "encoder features",
    "beats": "median beat",
    "waveform": "10 s waveform",
    SHIFTED: "10 s waveform, shifted",
    "all": "all views",
}
"""What the views are called in reports."""

FEWEST = {"random": 100, "isolated": 50}
"""Members, and as many others, on whom an attack is scored.

Of all records: as many as a rate of 1 %, and so the planted leak, needs. With fewer an attack could raise an alarm and
never be cleared. Of the isolated ones: with 50 and 50 the standard error of an area of 0.5 is 0.06 (Hanley and McNeil
1982), with 200 and 8 it is 0.1, and a bootstrap of 8 records is too sure of itself.
"""

ISOLATED_SHARE = 0.1
_BANDWIDTH = 0.25
_LEAST = 1e-6
_ROUNDS = 500


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attack in one view.

    Attributes:
        attack: of `ATTACKS`.
        view: of `VIEW_TITLES`.
        labels: whether each record was trained on, shape (n,).
        scores: how much the attack takes each for one that was, shape (n,).
        isolated: whether each lies far from other real records in this view, shape (n,).
    """

    attack: str
    view: str
    labels: np.ndarray
    scores: np.ndarray
    isolated: np.ndarray

    @property
    def title(self) -> str:
        """What it is called in reports."""
        return f"{self.attack}, {VIEW_TITLES[self.view]}"

    def on(self, population: str) -> Attempt:
        """The same on the "isolated" records only, or on all that have a score."""
        rows = np.isfinite(self.scores) & (self.isolated if population == "isolated" else True)
        return Attempt(self.attack, self.view, self.labels[rows], self.scores[rows], self.isolated[rows])

    def counts(self, population: str) -> tuple[int, int]:
        """How many members and how many others of the population have a score."""
        labels = self.on(population).labels
        return int(labels.sum()), int((~labels).sum())

    def tells(self, population: str) -> bool:
        """Whether there are enough members and others in the population to score the attack."""
        return min(self.counts(population)) >= FEWEST[population]

    def auc(self) -> float:
        """Area under the ROC curve."""
        return auroc(self.labels, self.scores)

    def rate(self, at: float) -> float:
        """Share of the trained-on records found at a false positive rate of at most `at`; NaN: too few records."""
        return true_positive_rate(self.labels, self.scores, at)

    def auc_interval(self, seed: int) -> tuple[float, float]:
        """95 % interval of `auc`."""
        return bootstrap_interval(
            lambda w: auroc(self.labels, self.scores, w), len(self.labels), seed=seed, rounds=_ROUNDS
        )

    def rate_interval(self, at: float, seed: int) -> tuple[float, float]:
        """95 % interval of `rate`; NaN where the rate is."""
        if math.isnan(self.rate(at)):
            return math.nan, math.nan
        return bootstrap_interval(
            lambda w: true_positive_rate(self.labels, self.scores, at, w), len(self.labels), seed=seed, rounds=_ROUNDS
        )


def excess(tried: Attempt, floor: Attempt, population: str, seed: int) -> tuple[float, float, float]:
    """How much greater the area under the curve is than its floor's, and the ends of the 95 % interval.

    The same resamples of the same records serve both, so that what the two have in common cancels out.
    """
    rows = np.isfinite(tried.scores) & np.isfinite(floor.scores)
    rows &= tried.isolated if population == "isolated" else True
    labels, ours, theirs = tried.labels[rows], tried.scores[rows], floor.scores[rows]

    def difference(weights: np.ndarray | None = None) -> float:
        return auroc(labels, ours, weights) - auroc(labels, theirs, weights)

    return (difference(), *bootstrap_interval(difference, len(labels), seed=seed, rounds=_ROUNDS))


def attempts(
    labels: np.ndarray, synthetic: Mapping[str, Neighbours], real: Mapping[str, Neighbours]
) -> tuple[Attempt, ...]:
    """All attacks in all views.

    Args:
        labels: whether each record was trained on, shape (n,).
        synthetic: the records' nearest synthetic ones, by view.
        real: their nearest real ones, of neither side, by view.
    """
    made, calibrated = [], {}
    for view, near in synthetic.items():
        ours, theirs = (np.maximum(found.distances.astype(np.float64), _LEAST) for found in (near, real[view]))
        calibrated[view] = np.log(theirs).mean(axis=1) - np.log(ours[:, 0])
        scores = {
            "nearest": -np.log(ours[:, 0]),
            "calibrated": calibrated[view],
            "density": log_density_ratio(ours, theirs),
        }
        far = isolated(theirs[:, 0])
        made += [Attempt(attack, view, labels, values, far) for attack, values in scores.items()]
    far = isolated(np.nanmean([standardised(real[view].distances[:, 0]) for view in synthetic], axis=0))
    together = np.nanmean([standardised(values) for values in calibrated.values()], axis=0)
    return (*made, Attempt("combined", "all", labels, together, far))


def log_density_ratio(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Logarithm of the kernel density of synthetic over that of real records, up to a constant.

    DOMIAS (van Breugel et al. 2023, AISTATS, arXiv 2302.12580) with Gaussian kernels on the nearest neighbours, as
    wide as 0.25 of their mean distance among the real records, so that the density is a local one everywhere.

    Args:
        ours, theirs: distances to the nearest synthetic and real records, shape (n, k).
    """
    width = _BANDWIDTH * theirs.mean(axis=1, keepdims=True)
    return _log_sum(-((ours / width) ** 2) / 2) - _log_sum(-((theirs / width) ** 2) / 2)


def _log_sum(logarithms: np.ndarray) -> np.ndarray:
    greatest = logarithms.max(axis=1)
    return greatest + np.log(np.exp(logarithms - greatest[:, None]).sum(axis=1))


def standardised(values: np.ndarray) -> np.ndarray:
    """Values less their mean, in standard deviations; NaN stays."""
    known = np.where(np.isfinite(values), values, np.nan)
    spread = np.nanstd(known)
    return (known - np.nanmean(known)) / (spread if spread > 0 else 1.0)


def isolated(distances: np.ndarray) -> np.ndarray:
    """The tenth of the records that lie farthest from other real ones: one bound for those trained on and the others.

    Outliers are whom synthetic data give away first (Stadler et al. 2022, USENIX Security, arXiv 2011.07018).
    """
    return np.where(np.isnan(distances), -np.inf, distances) > np.nanquantile(distances, 1 - ISOLATED_SHARE)


def true_positive_rate(labels: np.ndarray, scores: np.ndarray, at: float, weights: np.ndarray | None = None) -> float:
    """Share of positives above the lowest threshold that at most a share `at` of the negatives exceeds.

    The measure of Carlini et al. 2022 (IEEE S&P, arXiv 2112.03570): a few records found for certain are a breach that
    the area under the curve does not show.

    Args:
        labels: true or false, shape (n,).
        scores: shape (n,).
        weights: how often each record counts, shape (n,); default: once.

    Returns:
        NaN where `at` lies below the resolution, one over the number of negatives.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    _, value = np.unique(-scores, return_inverse=True)
    positives = np.cumsum(np.bincount(value, weights * (labels != 0)))
    negatives = np.cumsum(np.bincount(value, weights * (labels == 0)))
    if not len(value) or not positives[-1] or at * negatives[-1] < 1:
        return math.nan
    allowed = int(np.searchsorted(negatives, at * negatives[-1] * (1 + 1e-9), side="right"))
    return float(positives[allowed - 1] / positives[-1]) if allowed else 0.0


def best(tried: Iterable[Attempt], population: str, at: float | None = None) -> Attempt | None:
    """The attempt of the greatest area under the curve, or true positive rate at `at`; None where none is known.

    Attempts on too few records (`FEWEST`) do not take part.
    """
    chosen = [attempt.on(population) for attempt in tried if attempt.tells(population)]
    values = [attempt.auc() if at is None else attempt.rate(at) for attempt in chosen]
    known = [(value, -position) for position, value in enumerate(values) if not math.isnan(value)]
    return chosen[-max(known)[1]] if known else None
