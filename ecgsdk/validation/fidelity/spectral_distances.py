"""How far the spectra and lead correlations of synthetic records lie from those of real ones."""

from __future__ import annotations

import numpy as np

from ecgsdk.validation.fidelity.spectra import BANDS, LEAST_POWER, frequencies

__all__ = ["band_power_distance", "band_power_ratios", "correlation_error", "decibels", "spectrum_distance"]


def decibels(density: np.ndarray) -> np.ndarray:
    """Power densities (mV²/Hz) in dB of 1 mV²/Hz, `LEAST_POWER` added first; same shape, float32."""
    level = np.asarray(density, dtype=np.float32) + np.float32(LEAST_POWER)
    np.log10(level, out=level)
    level *= 10
    return level


def spectrum_distance(real: np.ndarray, synthetic: np.ndarray, rate: float = 100.0) -> float:
    """Mean absolute difference of the mean logarithmic spectra, in dB; every band of `BANDS` counts the same.

    The log-spectral distance (Gray and Markel 1976, IEEE Transactions on Acoustics, Speech, and Signal Processing
    24:380), in its absolute form. Means of logarithms, so that a few noisy records do not outweigh all others.

    Args:
        real, synthetic: of `decibels`, shapes (n, leads, frequencies) and (m, leads, frequencies).
        rate: Hz, of the signals.
    """
    difference = np.abs(_mean(synthetic) - _mean(real))
    lines = frequencies(real.shape[-1], rate)
    inside = [(lines >= low) & (lines < high) for low, high in BANDS]
    return float(np.mean([difference[:, band].mean() for band in inside if band.any()]))


def band_power_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean over leads and bands of the 1-Wasserstein distance between the records' band powers, in dB.

    Unlike `spectrum_distance` it also sees a spread that is too small. The Wasserstein distance of two equally large
    samples is the mean difference of their sorted values (Villani 2003, Topics in Optimal Transportation, 2.2).

    Args:
        real, synthetic: `decibels` of band powers, both of shape (n, leads, bands).
    """
    return float(np.abs(np.sort(synthetic, axis=0) - np.sort(real, axis=0)).mean(dtype=np.float64))


def band_power_ratios(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Median band power of synthetic records over that of real ones, by lead and band.

    Args:
        real, synthetic: of `band_powers`, shapes (n, leads, bands) and (m, leads, bands).

    Returns:
        Shape (leads, bands); NaN where real records have no power.
    """
    medians = [np.median(part, axis=0).astype(np.float64) for part in (real, synthetic)]
    return medians[1] / np.where(medians[0] > 0, medians[0], np.nan)


def correlation_error(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean absolute difference of the mean lead correlations; shapes (n, pairs) and (m, pairs)."""
    return float(np.abs(_mean(synthetic) - _mean(real)).mean())


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=0, dtype=np.float64)
