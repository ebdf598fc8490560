"""Resampling of signals to another rate: band-limited, with NumPy's FFT only."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ecgsdk.errors import DataError

__all__ = ["resample", "resampled_length"]

_TRANSITION = 0.9
"""Share of the lower Nyquist frequency that passes untouched when the rate falls."""


def resample(signals: np.ndarray, from_rate: float, to_rate: float) -> np.ndarray:
    """The same signals at another sampling rate.

    Fourier interpolation of the signal continued beyond both ends by point reflection, after the straight line
    between its ends is taken out: value and slope are then continuous everywhere, so a record that does not begin
    and end at the same level makes no ringing. Samples later than the last given one follow the slope at the end.
    Frequencies below 90 % of the lower of the two Nyquist frequencies are kept as they are; when the rate falls,
    the gain goes from there to zero at the Nyquist frequency as a squared cosine.

    Args:
        signals: floats, shape (..., samples), at least two samples.
        from_rate: their rate in Hz.
        to_rate: the wanted rate in Hz.

    Returns:
        Shape (..., `resampled_length(samples, from_rate, to_rate)`), same dtype; the first sample keeps its time.
        A NaN anywhere in a row makes the whole row NaN.

    Raises:
        DataError: fewer than two samples, or a rate that is not positive.
    """
    ratio = _ratio(from_rate, to_rate)
    if ratio == 1:
        return signals
    if signals.shape[-1] < 2:
        raise DataError(f"{signals.shape[-1]} samples cannot be resampled; at least 2 are needed")
    length = resampled_length(signals.shape[-1], from_rate, to_rate)
    # The period of the continued signal must hold a whole number of samples at both rates.
    extra = (1 - signals.shape[-1]) % ratio.denominator
    widths = [(0, 0)] * (signals.ndim - 1) + [(0, extra)]
    padded = np.pad(signals.astype(np.float64), widths, mode="reflect", reflect_type="odd")
    start, slope = padded[..., :1], (padded[..., -1:] - padded[..., :1]) / (padded.shape[-1] - 1)
    level = padded - start - slope * np.arange(padded.shape[-1])
    period = np.concatenate([level, -level[..., -2:0:-1]], axis=-1)
    wanted = _fourier_interpolation(period, int(period.shape[-1] * ratio))[..., :length]
    line = start + slope * np.arange(length) / float(ratio)
    return (wanted + line).astype(signals.dtype)


def resampled_length(samples: int, from_rate: float, to_rate: float) -> int:
    """Number of samples that `samples` samples become at another rate: the nearest whole number.

    Raises:
        DataError: a rate that is not positive.
    """
    return int(samples * _ratio(from_rate, to_rate) + Fraction(1, 2))


def _ratio(from_rate: float, to_rate: float) -> Fraction:
    for rate in (from_rate, to_rate):
        if not 0 < rate < float("inf"):
            raise DataError(f"a sampling rate of {rate} Hz is not possible; give a positive number")
    return (Fraction(float(to_rate)) / Fraction(float(from_rate))).limit_denominator(10_000)


def _fourier_interpolation(period: np.ndarray, length: int) -> np.ndarray:
    """One period of a periodic signal, sampled at `length` points instead of as many as it has."""
    spectrum = np.fft.rfft(period, axis=-1)
    if length < period.shape[-1]:
        spectrum = spectrum[..., : length // 2 + 1] * _falling_gain(length)
    return np.fft.irfft(spectrum, n=length, axis=-1) * (length / period.shape[-1])


def _falling_gain(length: int) -> np.ndarray:
    share = np.arange(length // 2 + 1) / (length / 2)
    return np.cos(np.clip((share - _TRANSITION) / (1 - _TRANSITION), 0, 1) * np.pi / 2) ** 2
