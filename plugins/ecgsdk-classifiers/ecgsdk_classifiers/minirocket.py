"""MiniRocket (Dempster, Schmidt and Webb 2021, KDD, p. 248) with a logistic regression a label.

The transform is aeon's. Its first use on a machine compiles for about half a minute; numba keeps the result.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket
from sklearn.linear_model import LogisticRegression

from ecgsdk.errors import TrainingError
from ecgsdk.leads import to_eight
from ecgsdk_classifiers.inputs import checked_labels, checked_signals
from ecgsdk_classifiers.per_label import PerLabel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MiniRocketClassifier"]

_KERNELS = 4032
_C = 0.005
_LEAST_SPREAD = 0.02


class MiniRocketClassifier:
    """How often each of many small convolutions is above a threshold, and a linear model on that.

    It works on leads I, II, V1–V6, for the other four leads follow from them.

    Args:
        kernels: features of the transform, a multiple of 84.
    """

    def __init__(self, kernels: int = _KERNELS) -> None:
        self.kernels = kernels
        self.heads: PerLabel | None = None

    def fit(self, signals: np.ndarray, labels: np.ndarray, *, seed: int) -> None:
        """Learns from signals (n, 12, samples) in mV at 100 Hz and labels (n, labels); same seed, same result.

        NumPy's global random state is left as it was.

        Raises:
            DataError: a value is not finite, or the records are too short.
        """
        signals = checked_signals(signals)
        labels = checked_labels(labels, len(signals))
        self.samples = signals.shape[2]
        self.transform = MiniRocket(n_kernels=self.kernels, random_state=seed)
        with _global_random_state_kept():
            shares = self.transform.fit_transform(_eight(signals))
        self.mean = shares.mean(axis=0)
        # What hardly varies among these records is not blown up: another record may lie far outside.
        self.spread = shares.std(axis=0) + _LEAST_SPREAD
        self.heads = PerLabel(_head, self._scaled(shares), labels, seed)

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record, float32, shape (n, labels).

        Raises:
            DataError: a value is not finite, or the records are not as long as those learned from.
            TrainingError: it has not learned yet.
        """
        if self.heads is None:
            raise TrainingError("minirocket has not learned yet; call fit first")
        signals = checked_signals(signals, self.samples)
        return self.heads.predict_proba(self._scaled(self.transform.transform(_eight(signals))))

    def _scaled(self, shares: np.ndarray) -> np.ndarray:
        return (shares - self.mean) / self.spread


def _eight(signals: np.ndarray) -> np.ndarray:
    """The independent leads in one block of memory: for any other layout numba would compile once more."""
    return np.ascontiguousarray(to_eight(signals))


def _head(records: int, seed: int) -> LogisticRegression:
    return LogisticRegression(C=_C, tol=1e-3, max_iter=300, random_state=seed)


@contextmanager
def _global_random_state_kept() -> Iterator[None]:
    """aeon seeds NumPy's global generator."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
