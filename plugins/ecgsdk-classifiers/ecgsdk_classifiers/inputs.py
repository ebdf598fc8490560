"""What every classifier here checks before it learns or predicts."""

from __future__ import annotations

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS

__all__ = ["SHORTEST", "base_rates", "checked_labels", "checked_signals"]

SHORTEST = 200
"""Samples that a record must have at least: two seconds at 100 Hz."""


def checked_signals(signals: np.ndarray, samples: int | None = None) -> np.ndarray:
    """The signals as float32.

    Args:
        signals: mV, shape (n, 12, samples), leads in the order of `ecgsdk.leads.LEADS`.
        samples: how long the records must be; None: at least `SHORTEST`.

    Raises:
        DataError: a value is not finite, or the records are too short or of another length.
        ValueError: the shape is not (n, 12, samples), or there is no record.
    """
    signals = np.asarray(signals, dtype=np.float32)
    if signals.ndim != 3 or signals.shape[1] != len(LEADS) or not len(signals):
        raise ValueError(f"signals must have shape (n, 12, samples), n of 1 or more, not {signals.shape}")
    found = signals.shape[2]
    if samples is not None and found != samples:
        raise DataError(f"records of {found} samples, but the classifier learned from {samples}; give as many")
    if found < SHORTEST:
        raise DataError(f"records of {found} samples are too short; give two seconds at 100 Hz ({SHORTEST}) or more")
    for position, record in enumerate(signals):
        if not np.isfinite(record).all():
            raise DataError(f"record {position} has values that are not finite; leave it out or mend it")
    return signals


def checked_labels(labels: np.ndarray, n: int) -> np.ndarray:
    """The labels as bool.

    Raises:
        ValueError: the shape is not (n, labels), or there is no record or no label.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or len(labels) != n or not labels.size:
        raise ValueError(f"labels must have shape ({n}, labels), one or more of each, not {labels.shape}")
    return labels.astype(bool)


def base_rates(labels: np.ndarray) -> np.ndarray:
    """How often each label is true, shape (labels,), never 0 or 1: one half is added to positives and negatives."""
    return (labels.sum(axis=0) + 0.5) / (len(labels) + 1)
