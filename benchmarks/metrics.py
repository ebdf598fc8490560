"""Scores of classifiers, in NumPy: area under the ROC curve, balanced accuracy.

Example (Python):

    auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))    # 0.75
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["auroc", "average_ranks", "balanced_accuracy", "log_odds"]


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting one half.

    By the rank sum of the positives (Hanley and McNeil 1982, Radiology 143:29).

    Args:
        labels: true or false, shape (n,).
        scores: shape (n,).

    Returns:
        NaN where there are only positives or only negatives.
    """
    labels = np.asarray(labels, dtype=bool)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return math.nan
    above = average_ranks(scores)[labels].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing their mean rank; shape (n,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of sensitivity and specificity; NaN where there are only positives or only negatives."""
    labels, predicted = np.asarray(labels, dtype=bool), np.asarray(predicted, dtype=bool)
    if labels.all() or not labels.any():
        return math.nan
    return float((predicted[labels].mean() + (~predicted[~labels]).mean()) / 2)


def log_odds(labels: np.ndarray) -> float:
    """Logarithm of positives over negatives, each counted as at least one half."""
    positives = int(np.count_nonzero(labels))
    return math.log(max(positives, 0.5) / max(len(labels) - positives, 0.5))
