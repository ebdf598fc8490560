"""Power spectra and lead correlations of ECGs."""

from __future__ import annotations

import numpy as np

__all__ = ["BANDS", "LEAST_POWER", "SEGMENT_SECONDS", "band_powers", "frequencies", "lead_correlations", "spectra"]

SEGMENT_SECONDS = 5.0
"""Length of the segments over which a spectrum is averaged: its lines are 0.2 Hz apart, so that the baseline's slow
wander (below 0.5 Hz) is told from the beats (from 0.7 Hz)."""

BANDS = ((0.05, 0.5), (0.5, 5.0), (5.0, 15.0), (15.0, 35.0), (35.0, 50.0))
"""Hz: baseline wander; rate, P and T waves; QRS; its notches and muscle; grain of the recording."""

LEAST_POWER = 1e-9
"""mV²/Hz, added before a logarithm is taken: about what rounding to 1 µV at 100 Hz leaves (1e-6 / 12 / 50)."""

_BLOCK = 64


def spectra(eight: np.ndarray, rate: float) -> np.ndarray:
    """One-sided power spectral density of each lead, by the mean over half-overlapping segments under a Hann window.

    P. D. Welch 1967, IEEE Transactions on Audio and Electroacoustics 15:70. Each lead's mean over the record is taken
    off first; what a single segment is off from it stays, as slow wander. The integral over frequency is the signal's
    mean power.

    Args:
        eight: mV, shape (n, leads, samples); a record shorter than `SEGMENT_SECONDS` is one segment.
        rate: Hz.

    Returns:
        mV²/Hz, float32, shape (n, leads, frequencies), from 0 to `rate` / 2; `frequencies` gives them.
    """
    length = min(round(SEGMENT_SECONDS * rate), eight.shape[-1])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    scale = np.full(length // 2 + 1, 2 / (rate * np.square(window).sum()))
    scale[0] /= 2
    if length % 2 == 0:
        scale[-1] /= 2
    density = np.empty((*eight.shape[:-1], len(scale)), dtype=np.float32)
    for first in range(0, len(eight), _BLOCK):
        block = eight[first : first + _BLOCK].astype(np.float64)
        block -= block.mean(axis=-1, keepdims=True)
        density[first : first + _BLOCK] = _mean_periodogram(block, window) * scale
    return density


def frequencies(count: int, rate: float = 100.0) -> np.ndarray:
    """Hz of the `count` lines of a spectrum of signals at `rate`, of an even number of samples a segment."""
    return np.linspace(0, rate / 2, count)


def band_powers(density: np.ndarray, rate: float = 100.0) -> np.ndarray:
    """Mean power density in each of `BANDS`, lower ends inside.

    Args:
        density: of `spectra`, mV²/Hz, shape (..., frequencies).

    Returns:
        mV²/Hz, float32, shape (..., bands); 0 where a band has no line.
    """
    lines = frequencies(density.shape[-1], rate)
    inside = np.array([(lines >= low) & (lines < high) for low, high in BANDS], dtype=np.float32)
    return density @ (inside / inside.sum(axis=1, keepdims=True).clip(1)).T


def lead_correlations(eight: np.ndarray) -> np.ndarray:
    """Pearson correlation over time of each pair of leads, in the order of `numpy.triu_indices(leads, 1)`.

    Args:
        eight: mV, shape (n, leads, samples).

    Returns:
        float32, shape (n, pairs); 0 where a lead is flat.
    """
    rows, columns = np.triu_indices(eight.shape[1], 1)
    correlations = np.empty((len(eight), len(rows)), dtype=np.float32)
    for first in range(0, len(eight), _BLOCK):
        block = eight[first : first + _BLOCK].astype(np.float64)
        block -= block.mean(axis=-1, keepdims=True)
        products = block @ block.swapaxes(1, 2)
        power = np.diagonal(products, axis1=1, axis2=2)
        # A constant lead leaves rounding of its mean behind, far under a microvolt.
        flat = power <= 1e-12 * eight.shape[-1]
        norm = np.sqrt(np.where(flat, np.inf, power))
        matrix = products / norm[:, :, None] / norm[:, None, :]
        correlations[first : first + _BLOCK] = matrix[:, rows, columns]
    return correlations


def _mean_periodogram(block: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Squared magnitudes of the segments' transforms, averaged over the segments; shape (..., frequencies)."""
    length = len(window)
    starts = range(0, block.shape[-1] - length + 1, max(1, length // 2))
    total = np.zeros((*block.shape[:-1], length // 2 + 1))
    for start in starts:
        transform = np.fft.rfft(block[..., start : start + length] * window)
        total += transform.real**2 + transform.imag**2
    return total / len(starts)
