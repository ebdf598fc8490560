"""Gradient boosting (Friedman 2001, Ann Stat 29:1189) on measured ECG features: one set of trees a label."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from ecgsdk.errors import TrainingError
from ecgsdk_classifiers.inputs import checked_labels, checked_signals
from ecgsdk_classifiers.measurements import measure
from ecgsdk_classifiers.per_label import PerLabel

__all__ = ["GradientBoosting"]

_SAMPLING_RATE = 100.0
_AT_A_TIME = 64


class GradientBoosting:
    """Boosted trees on what `measurements.measure` finds in each record.

    Args:
        trees: of each label.
    """

    def __init__(self, trees: int = 150) -> None:
        self.trees = trees
        self.models: PerLabel | None = None

    def fit(self, signals: np.ndarray, labels: np.ndarray, *, seed: int) -> None:
        """Learns from signals (n, 12, samples) in mV at 100 Hz and labels (n, labels); same seed, same result.

        Raises:
            DataError: a value is not finite, or the records are too short.
        """
        signals = checked_signals(signals)
        labels = checked_labels(labels, len(signals))
        features = _measured(signals)
        # scikit-learn fails on a column without a single value.
        self.known = np.isfinite(features).any(axis=0)
        self.models = PerLabel(self._trees, features[:, self.known], labels, seed)

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record, float32, shape (n, labels).

        Raises:
            DataError: a value is not finite, or the records are too short.
            TrainingError: it has not learned yet.
        """
        if self.models is None:
            raise TrainingError("gradient-boosting has not learned yet; call fit first")
        return self.models.predict_proba(_measured(checked_signals(signals))[:, self.known])

    def _trees(self, records: int, seed: int) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            max_iter=self.trees,
            learning_rate=0.07,
            max_leaf_nodes=8,
            max_features=0.1,
            l2_regularization=5.0,
            # A leaf of twenty leaves nothing to split in a set of twenty.
            min_samples_leaf=min(20, max(2, records // 50)),
            early_stopping=False,
            random_state=seed,
        )


def _measured(signals: np.ndarray) -> np.ndarray:
    """The features, a few records at a time, so that memory stays small."""
    starts = range(0, len(signals), _AT_A_TIME)
    return np.concatenate([measure(signals[first : first + _AT_A_TIME], _SAMPLING_RATE) for first in starts])
