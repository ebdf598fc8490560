"""Median beats: one representative beat a record, from a fixed time before to a fixed time after the R peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AFTER_S", "BEFORE_S", "MedianBeats", "cut_beats", "median_beats", "qrs_limits"]

BEFORE_S, AFTER_S = 0.46, 0.54
"""What a beat takes in around its R peak: a P wave of a prolonged PR interval before, the T wave after."""

_QRS_REACH_S = 0.14
_QRS_THRESHOLD = 0.12


@dataclass(frozen=True, eq=False)
class MedianBeats:
    """The median beats of n records.

    Attributes:
        signals: float32 mV, shape (n, leads, samples of a beat); NaN for a record without a whole beat.
        likeness: for each record the correlation of each of its beats' QRS complexes, all leads together, with the
            median's; NaN for a beat too close to an end.
        sizes: for each record the root mean square of each of its beats' QRS complexes over the median's.
        p_share: which share of the power before the QRS complexes is common to all beats, shape (n, leads): near 1
            where each beat has the same P wave, small in atrial fibrillation. NaN with fewer than three beats.
    """

    signals: np.ndarray
    likeness: tuple[np.ndarray, ...]
    sizes: tuple[np.ndarray, ...]
    p_share: np.ndarray


def median_beats(signals: np.ndarray, beats: Sequence[np.ndarray], sampling_rate: float) -> MedianBeats:
    """The median beat of each record, and how its beats differ from it.

    Args:
        signals: mV, shape (n, leads, samples), without baseline wander.
        beats: times of the R peaks of each record, in seconds.
        sampling_rate: Hz.
    """
    n, leads, _ = signals.shape
    before, after = round(BEFORE_S * sampling_rate), round(AFTER_S * sampling_rate)
    medians = np.full((n, leads, before + after), np.nan, dtype=np.float32)
    p_share = np.full((n, leads), np.nan, dtype=np.float32)
    likeness, sizes = [], []
    for i, (record, times) in enumerate(zip(signals, beats)):
        peaks = np.round(times * sampling_rate).astype(int)
        whole = cut_beats(record, peaks, before, after)
        if len(whole):
            medians[i] = np.median(whole, axis=0)
        if len(whole) > 2:
            p_share[i] = _common_share(whole[:, :, : before - round(0.06 * sampling_rate)])
        like, size = _compared(record, peaks, medians[i], sampling_rate)
        likeness.append(like)
        sizes.append(size)
    return MedianBeats(medians, tuple(likeness), tuple(sizes), p_share)


def cut_beats(record: np.ndarray, peaks: np.ndarray, before: int, after: int) -> np.ndarray:
    """The beats that lie within the record (leads, samples), shape (beats, leads, before + after)."""
    inside = peaks[(peaks >= before) & (peaks + after <= record.shape[-1])]
    return np.moveaxis(record[:, inside[:, None] + np.arange(-before, after)], 1, 0)


def qrs_limits(medians: np.ndarray, sampling_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """First and last sample of the QRS complex of each median beat, as fractions of a sample, shape (n,).

    The spatial velocity (the slopes of all leads, as one length) is followed from its peak near the R peak outwards,
    until it stays under 12 % of the peak for two samples.
    """
    velocity = np.sqrt((np.gradient(medians, axis=-1) ** 2).sum(axis=1))
    centre, reach = round(BEFORE_S * sampling_rate), round(_QRS_REACH_S * sampling_rate)
    near = velocity[:, centre - reach : centre + reach + 1]
    level = _QRS_THRESHOLD * near.max(axis=-1, keepdims=True)
    quiet = (near[:, :-1] < level) & (near[:, 1:] < level)
    onset = centre - _first_quiet(near[:, reach::-1], quiet[:, :reach][:, ::-1], level)
    offset = centre + _first_quiet(near[:, reach:], quiet[:, reach:], level)
    return onset, offset


def _first_quiet(near: np.ndarray, quiet: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Samples from the centre outwards to where `near` crosses `level` for good, between samples by interpolation."""
    rows = np.arange(len(near))
    first = np.where(quiet.any(axis=1), quiet.argmax(axis=1), quiet.shape[1])
    inner, outer = near[rows, np.maximum(first - 1, 0)], near[rows, first]
    fraction = (inner - level[:, 0]) / np.maximum(inner - outer, 1e-9)
    return first - 1 + np.clip(fraction, 0, 1)


def _common_share(parts: np.ndarray) -> np.ndarray:
    """Power of the mean over the mean power, without each part's own mean and slope; (beats, leads, samples)."""
    ramp = np.linspace(-1, 1, parts.shape[-1], dtype=parts.dtype)
    level = parts - parts.mean(axis=-1, keepdims=True)
    level -= ramp * ((level @ ramp) / (ramp @ ramp))[..., None]
    return (level.mean(axis=0) ** 2).mean(axis=-1) / np.maximum((level**2).mean(axis=(0, 2)), 1e-9)


def _compared(
    record: np.ndarray, peaks: np.ndarray, median: np.ndarray, sampling_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and relative size of each beat's QRS complex; NaN for those cut off by an end."""
    before, after = round(0.1 * sampling_rate), round(0.16 * sampling_rate)
    centre = round(BEFORE_S * sampling_rate)
    likeness, sizes = (np.full(len(peaks), np.nan) for _ in range(2))
    inside = (peaks >= before) & (peaks + after <= record.shape[-1])
    found = cut_beats(record, peaks, before, after)
    wanted = median[:, centre - before : centre + after]
    found = (found - found.mean(axis=-1, keepdims=True)).reshape(len(found), wanted.size)
    wanted = (wanted - wanted.mean(axis=-1, keepdims=True)).ravel()
    norms, norm = np.sqrt((found**2).sum(axis=1)), np.sqrt((wanted**2).sum())
    likeness[inside] = found @ wanted / np.maximum(norms * norm, 1e-9)
    sizes[inside] = norms / np.maximum(norm, 1e-9)
    return likeness, sizes
