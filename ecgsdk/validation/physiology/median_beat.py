"""The usual beat of a record: QRS complexes aligned by how fast all leads move, and their median.

Everything here is at `RATE`, 500 Hz: intervals are finer than the 10 ms of a signal at 100 Hz, which band-limited
interpolation gives back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["AFTER", "BEFORE", "RATE", "UsualBeat", "aligned_beats", "smooth", "spatial_velocity", "usual_beat"]

RATE = 500.0
"""Hz."""

BEFORE = 240
"""Samples of a beat before the middle of its QRS complex: 0.48 s."""

AFTER = 320
"""Samples from there on: 0.64 s, for the longest QT."""

_REACH = 20
_QRS = slice(BEFORE - 60, BEFORE + 60)
_LEAST_CORRELATION = 0.85


@dataclass(frozen=True, eq=False)
class UsualBeat:
    """Beats of the usual form, mV at `RATE`, leads I, II, V1–V6, the median level of each cut at zero.

    Attributes:
        median: over the beats, shape (8, BEFORE + AFTER).
        single: the beats, shape (beats, 8, BEFORE + AFTER); two at least.
    """

    median: np.ndarray
    single: np.ndarray


def usual_beat(eight: np.ndarray, beats: np.ndarray) -> UsualBeat | None:
    """The record's usual beat.

    Beats are averaged by the median, which noise and an odd beat move little; those that differ from the usual QRS
    (correlation over all leads below 0.85: premature, aberrant, disturbed) or are cut by the record's ends are left
    out.

    Args:
        eight: leads I, II, V1–V6 in mV at `RATE`, shape (8, samples).
        beats: seconds, rising.

    Returns:
        None when fewer than two beats are left.
    """
    centres = aligned_beats(spatial_velocity(eight), beats)
    if len(centres) < 2:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(eight, BEFORE + AFTER, axis=1)
    cuts = np.ascontiguousarray(np.moveaxis(windows[:, centres - BEFORE], 1, 0))
    # Every eighth sample gives the same level within noise, in a fraction of the time.
    cuts -= np.median(cuts[..., ::8], axis=-1, keepdims=True)
    median = _median(cuts)
    alike = _correlation(cuts[..., _QRS], median[:, _QRS]) > _LEAST_CORRELATION
    if alike.all():
        return UsualBeat(median, cuts)
    return UsualBeat(_median(cuts[alike]), cuts[alike]) if np.count_nonzero(alike) >= 2 else None


def aligned_beats(velocity: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Samples of the beats, moved by up to 40 ms so that the velocity around them agrees best with their median's.

    Only beats with `BEFORE` and `AFTER` samples around them are kept; none when those are fewer than two.

    Args:
        velocity: of `spatial_velocity`, shape (samples,).
        beats: seconds.
    """
    centres = np.rint(np.asarray(beats, dtype=np.float64) * RATE).astype(int)
    centres = centres[(centres >= BEFORE + _REACH) & (centres + AFTER + _REACH <= len(velocity))]
    if len(centres) < 2:
        return centres[:0]
    lags = np.arange(-_REACH // 2, _REACH // 2 + 1)
    windows = np.lib.stride_tricks.sliding_window_view(velocity, 2 * _REACH)
    for _ in range(2):
        template = np.median(windows[centres - _REACH], axis=0)
        agreement = windows[centres[:, None] - _REACH + lags] @ template
        centres = centres + lags[np.argmax(agreement, axis=1)]
    return centres


def spatial_velocity(leads: np.ndarray) -> np.ndarray:
    """How fast all leads together move: mV/s, shape (..., samples), from mV at `RATE`, shape (..., leads, samples)."""
    slopes = np.gradient(leads, axis=-1) * RATE
    return np.sqrt((slopes**2).sum(axis=-2))


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Moving average over `width` samples along the last axis, its ends held."""
    before = np.repeat(values[..., :1], width // 2 + 1, axis=-1)
    after = np.repeat(values[..., -1:], width - 1 - width // 2, axis=-1)
    total = np.cumsum(np.concatenate([before, values, after], axis=-1), axis=-1, dtype=np.float64)
    return (total[..., width:] - total[..., :-width]) / width


def _median(cuts: np.ndarray) -> np.ndarray:
    """Median over the first axis; a plain sort is faster than numpy.median on so few beats."""
    ordered = np.sort(cuts, axis=0)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _correlation(cuts: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Pearson correlation over all leads of each beat (beats, 8, samples) with the usual one; zero for flat beats."""
    shapes = cuts.reshape(len(cuts), -1)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    centred = (usual - usual.mean()).ravel()
    size = np.sqrt((shapes**2).sum(axis=1) * (centred**2).sum())
    return shapes @ centred / np.maximum(size, 1e-12)
