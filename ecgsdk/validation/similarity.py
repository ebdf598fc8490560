"""How alike paired ECGs are: RMSE and cosine similarity of a synthetic ECG and the real one that it was made of.

Both are figures of Yoo et al. 2023 (doi 10.1007/s13755-023-00241-y). Only ECGs that are paired can be compared point by
point; a generator that starts from noise has no such figures.
"""

from __future__ import annotations

import numpy as np

__all__ = ["BASELINE_HZ", "cosine", "rmse", "without_baseline"]

BASELINE_HZ = (0.3, 0.7)
"""Below the first frequency all is taken for baseline wander, above the second nothing."""


def without_baseline(signals: np.ndarray, rate: float) -> np.ndarray:
    """Signals without their slow wander, and with no shift in time.

    Frequencies are weighted by half a cosine that rises from 0 to 1 between `BASELINE_HZ`, around 0.5 Hz, below which
    an ECG monitor's filters begin. The ends are mirrored.

    Args:
        signals: shape (..., samples).
        rate: Hz.

    Example:
        >>> drift = np.linspace(0.0, 1.0, 1000)
        >>> float(np.abs(without_baseline(drift, 100.0)).max()) < 0.05
        True
    """
    samples = signals.shape[-1]
    mirrored = np.concatenate([signals[..., ::-1], signals, signals[..., ::-1]], axis=-1)
    low, high = BASELINE_HZ
    risen = np.clip((np.fft.rfftfreq(3 * samples, 1 / rate) - low) / (high - low), 0, 1)
    spectrum = np.fft.rfft(mirrored, axis=-1) * (0.5 - 0.5 * np.cos(np.pi * risen))
    return np.fft.irfft(spectrum, n=3 * samples, axis=-1)[..., samples : 2 * samples]


def rmse(first: np.ndarray, second: np.ndarray, axis: int | tuple[int, ...] = (-2, -1)) -> np.ndarray:
    """Root of the mean squared difference over the axes, in the unit of the signals.

    Args:
        first, second: of the same shape, (..., leads, samples).
        axis: the last two give one figure a record, the last alone one a lead.

    Example:
        >>> float(rmse(np.zeros((12, 10)), np.full((12, 10), 0.5)))
        0.5
    """
    return np.sqrt(np.mean(np.square(first - second), axis=axis))


def cosine(first: np.ndarray, second: np.ndarray, axis: int | tuple[int, ...] = (-2, -1)) -> np.ndarray:
    """Cosine of the angle between two signals: 1 for the same form, whatever the size; NaN for a flat one.

    Arguments as for `rmse`.

    Example:
        >>> round(float(cosine(np.ones((12, 10)), 3 * np.ones((12, 10)))), 6)
        1.0
    """
    sizes = np.sqrt(np.square(first).sum(axis=axis) * np.square(second).sum(axis=axis))
    return np.sum(first * second, axis=axis) / np.where(sizes > 0, sizes, np.nan)
