"""Beat times of ten seconds, drawn by the rhythm graph for the heart rates asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST_BEATS", "draw_beats", "match_variation", "place_beats"]

MOST_BEATS = 48
"""Beats of a record at most; training records with more are left out."""

_SMALLEST_RR_S = 0.26
_EXTREME_LOG_RATIO = 1.2
_GREATEST_STRETCH = 1.5


def draw_beats(
    step: Callable[[dict[str, np.ndarray]], list[np.ndarray]],
    condition: np.ndarray,
    state: np.ndarray,
    heart_rate: np.ndarray,
    rr_variation: np.ndarray,
    uniform: np.ndarray,
    normal: np.ndarray,
    seconds: float,
) -> np.ndarray:
    """Beat times, float64 seconds, shape (n, 48), NaN where there are no more.

    Args:
        step: runs the rhythm graph once: condition, previous log ratio, first, state → mixture and state.
        condition: condition vectors, shape (n, columns).
        state: what the first step takes as state, float32 (n, width); its values do not matter.
        heart_rate: bpm, shape (n,); the mean rate of each record, met by scaling the drawn intervals.
        rr_variation: standard deviation over mean of the intervals, shape (n,), drawn intervals are brought to it.
        uniform: numbers in [0, 1), shape (n, 49): one an interval, the last for the phase of the first beat.
        normal: standard normal numbers, shape (n, 48).
        seconds: length of the records.
    """
    n = len(condition)
    needed = np.minimum(MOST_BEATS, np.ceil(heart_rate / 60 * seconds * 1.25) + 2)
    ratios = np.full((n, MOST_BEATS), np.inf)
    previous = np.zeros((n, 1), np.float32)
    for k in range(int(needed.max())):
        first = np.full((n, 1), k == 0, np.float32)
        feed = {"condition": condition, "previous": previous, "first": first, "state": state}
        logits, means, log_widths, state = step(feed)
        chosen = _choose(logits, uniform[:, k])[:, None]
        mean, log_width = (np.take_along_axis(a, chosen, axis=1)[:, 0] for a in (means, log_widths))
        drawn = np.clip(mean + np.exp(log_width) * normal[:, k], -_EXTREME_LOG_RATIO, _EXTREME_LOG_RATIO)
        # A record's intervals must not depend on how many its neighbours in the batch need.
        ratios[:, k] = np.where(k < needed, np.exp(drawn), np.inf)
        previous = drawn[:, None].astype(np.float32)
    within = np.arange(MOST_BEATS) < np.ceil(heart_rate / 60 * seconds)[:, None]
    return place_beats(match_variation(ratios, within, rr_variation), heart_rate, uniform[:, -1], seconds)


def match_variation(ratios: np.ndarray, within: np.ndarray, rr_variation: np.ndarray) -> np.ndarray:
    """Intervals (n, k) drawn towards their mean or away from it, so that they vary as much as was asked.

    `within` marks the intervals that count. They are stretched by half at most: the rest would be made up of noise.
    """
    count = within.sum(axis=1, keepdims=True)
    mean = np.where(within, ratios, 0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.square(np.where(within, ratios - mean, 0)).sum(axis=1, keepdims=True) / count)
    power = np.minimum(_GREATEST_STRETCH, rr_variation[:, None] / np.maximum(spread / mean, 1e-9))
    return mean * (ratios / mean) ** power


def place_beats(ratios: np.ndarray, heart_rate: np.ndarray, phase: np.ndarray, seconds: float) -> np.ndarray:
    """Intervals of relative length as beat times, both (n, 48), whose mean rate in the record is `heart_rate`.

    The record begins at `phase` (0 to 1) of the first interval. Scaling changes how many beats fall inside, so it
    is done four times over; no interval falls under 260 ms. Intervals beyond the last are infinite.
    """
    mean = 60 / heart_rate[:, None]
    position = np.cumsum(ratios, axis=1) - ratios[:, :1] * phase[:, None]
    scale = mean
    for _ in range(4):
        inside = position * scale < seconds
        inside[:, :2] = True
        last = np.take_along_axis(position, inside.sum(axis=1, keepdims=True) - 1, axis=1)
        scale = mean * (inside.sum(axis=1, keepdims=True) - 1) / (last - position[:, :1])
    intervals = np.maximum(ratios * scale, _SMALLEST_RR_S)
    times = np.cumsum(intervals, axis=1) - intervals[:, :1] * phase[:, None]
    return np.where(times < seconds, times, np.nan)


def _choose(logits: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """One component for each record, by the inverse of the cumulated softmax."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    cumulated = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    return np.minimum((cumulated < uniform[:, None]).sum(axis=1), logits.shape[1] - 1)
