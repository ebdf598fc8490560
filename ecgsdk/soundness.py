"""Which ECGs are whole enough to learn from, and to make others from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.rhythm import MOST_BEATS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fit_for_training"]

_LARGEST_MV = 12.0
_FLAT_MV = 0.004
_FEWEST_BEATS = 4


def fit_for_training(eight: np.ndarray, beats: Sequence[np.ndarray]) -> np.ndarray:
    """Which records to keep: finite, within 12 mV, no flat lead, 4 to 48 beats.

    Args:
        eight: mV, shape (n, 8, samples), leads I, II, V1–V6.
        beats: times of each record's beats, of which the number counts.

    Returns:
        bool, shape (n,).
    """
    count = np.array([len(times) for times in beats])
    sound = np.isfinite(eight).all(axis=(1, 2)) & (np.abs(eight).max(axis=(1, 2)) < _LARGEST_MV)
    return sound & (eight.std(axis=2).min(axis=1) > _FLAT_MV) & (count >= _FEWEST_BEATS) & (count <= MOST_BEATS)
