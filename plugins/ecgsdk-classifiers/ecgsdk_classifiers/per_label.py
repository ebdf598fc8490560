"""PerLabel: one scikit-learn classifier a label, and the base rate where there is nothing to tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk_classifiers.inputs import base_rates

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PerLabel"]


class PerLabel:
    """Several labels by one classifier each.

    Args:
        make: (records, seed) → a fresh scikit-learn classifier with `predict_proba`.
        features: what to learn from, shape (n, features).
        labels: bool, shape (n, labels).
        seed: given to `make`.
    """

    def __init__(self, make: Callable[[int, int], Any], features: np.ndarray, labels: np.ndarray, seed: int) -> None:
        self.rates = base_rates(labels)
        self.models = [
            make(len(labels), seed).fit(features, column) if column.any() and not column.all() else None
            for column in labels.T
        ]

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Probability of each label, float32, shape (n, labels); one that all or no records had is at its base rate."""
        told = np.tile(self.rates.astype(np.float32), (len(features), 1))
        for k, model in enumerate(self.models):
            if model is not None:
                told[:, k] = model.predict_proba(features)[:, 1]
        return told
