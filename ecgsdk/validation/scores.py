"""Scores of classifiers: area under the ROC curve, accuracy and its kin, and bootstrap intervals.

Every score takes a weight for each record, so that a bootstrap resample is no more than other weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BinaryScores", "auroc", "binary_scores", "bootstrap_interval", "macro_auroc", "roc"]

_ROUNDS = 200


@dataclass(frozen=True)
class BinaryScores:
    """Scores of a binary task, all 0 to 1; NaN where there are only positives or only negatives."""

    accuracy: float
    balanced_accuracy: float
    sensitivity: float
    specificity: float
    f1: float
    auroc: float


def auroc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting one half.

    As the Mann–Whitney statistic (Hanley and McNeil 1982, Radiology 143:29).

    Args:
        labels: true or false, shape (n,).
        scores: shape (n,).
        weights: how often each record counts, shape (n,); default: once.

    Returns:
        NaN where there are only positives or only negatives.

    >>> auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    weights = np.ones(len(labels)) if weights is None else weights
    _, value = np.unique(scores, return_inverse=True)
    positives = np.bincount(value, weights * (labels != 0))
    negatives = np.bincount(value, weights * (labels == 0))
    pairs = positives.sum() * negatives.sum()
    if not pairs:
        return math.nan
    below = np.cumsum(negatives) - negatives / 2
    return float((positives * below).sum() / pairs)


def macro_auroc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean of the AUROC over the labels that have positives and negatives; labels and scores of shape (n, labels)."""
    values = [auroc(labels[:, k], scores[:, k], weights) for k in range(labels.shape[1])]
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def roc(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at falling thresholds, from (0, 0) to (1, 1); one point for each score value."""
    _, value = np.unique(-np.asarray(scores), return_inverse=True)
    positives = np.concatenate([[0], np.cumsum(np.bincount(value, labels != 0))])
    negatives = np.concatenate([[0], np.cumsum(np.bincount(value, labels == 0))])
    return negatives / max(negatives[-1], 1), positives / max(positives[-1], 1)


def binary_scores(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None, *, threshold: float = 0.5
) -> BinaryScores:
    """Scores of the calls "probability ≥ threshold", and the AUROC.

    F1 is the harmonic mean of precision and sensitivity; balanced accuracy the mean of sensitivity and specificity.

    Args:
        labels: true or false, shape (n,).
        probabilities: shape (n,).
        weights: how often each record counts, shape (n,); default: once.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    truth, called = labels != 0, np.asarray(probabilities) >= threshold
    hits, misses = weights[truth & called].sum(), weights[truth & ~called].sum()
    rejections, alarms = weights[~truth & ~called].sum(), weights[~truth & called].sum()
    sensitivity, specificity = _share(hits, hits + misses), _share(rejections, rejections + alarms)
    return BinaryScores(
        accuracy=_share(hits + rejections, weights.sum()),
        balanced_accuracy=(sensitivity + specificity) / 2,
        sensitivity=sensitivity,
        specificity=specificity,
        f1=_share(2 * hits, 2 * hits + alarms + misses),
        auroc=auroc(labels, probabilities, weights),
    )


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float], n: int, *, seed: int = 0, rounds: int = _ROUNDS
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of n records (Efron and Tibshirani 1993, chapter 13).

    Args:
        statistic: of the records' weights, shape (n,): how often each was drawn.
        rounds: resamples.

    Returns:
        Low and high end; NaN where the statistic is NaN in every resample.
    """
    random = np.random.default_rng(seed)
    values = np.array([statistic(random.multinomial(n, np.full(n, 1 / n)).astype(float)) for _ in range(rounds)])
    known = values[np.isfinite(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
