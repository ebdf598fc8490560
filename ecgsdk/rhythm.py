"""Beat times of ten seconds, drawn by the rhythm graph for the heart rates asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import ModelError
from ecgsdk.runtime import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.models import Model
    from ecgsdk.runtime import Session

__all__ = ["EXTREME_LOG_RATIO", "MOST_BEATS", "draw_beats", "match_variation", "open_rhythm", "place_beats"]

MOST_BEATS = 48
"""Beats of a record at most; training records with more are left out."""

EXTREME_LOG_RATIO = 1.2
"""Greatest magnitude of log(RR / mean RR) that is drawn."""

_SMALLEST_RR_S = 0.26
_GREATEST_STRETCH = 1.5


def open_rhythm(model: Model) -> Session:
    """The rhythm graph of a generator, on the CPU.

    Raises:
        ModelError: it is missing, damaged, or draws one interval a run, as the first exports did.
    """
    session = open_session(model.graph("rhythm"), device="cpu")
    if [given.name for given in session.get_inputs()] != ["condition", "uniform", "normal"]:
        raise ModelError(f"{model.folder}: the rhythm graph is of an earlier ecgsdk; export the model again")
    return session


def draw_beats(
    draw: Callable[[dict[str, np.ndarray]], list[np.ndarray]],
    condition: np.ndarray,
    heart_rate: np.ndarray,
    rr_variation: np.ndarray,
    uniform: np.ndarray,
    normal: np.ndarray,
    seconds: float,
) -> np.ndarray:
    """Beat times, float64 seconds, shape (n, 48), NaN where there are no more.

    Args:
        draw: runs the rhythm graph: condition, uniform and normal numbers → log(RR / mean RR), (intervals, n).
        condition: condition vectors, shape (n, columns).
        heart_rate: bpm, shape (n,); the mean rate of each record, met by scaling the drawn intervals.
        rr_variation: standard deviation over mean of the intervals, shape (n,), drawn intervals are brought to it.
        uniform: numbers in [0, 1), shape (n, 49): one an interval, the last for the phase of the first beat.
        normal: standard normal numbers, shape (n, 48).
        seconds: length of the records.
    """
    needed = np.minimum(MOST_BEATS, np.ceil(heart_rate / 60 * seconds * 1.25) + 2)
    most = int(needed.max())
    numbers = {"uniform": uniform[:, :most], "normal": normal[:, :most]}
    feed = {name: np.ascontiguousarray(values.T, dtype=np.float32) for name, values in numbers.items()}
    ratios = np.full((len(condition), MOST_BEATS), np.inf)
    ratios[:, :most] = np.exp(draw({"condition": condition, **feed})[0].T.astype(np.float64))
    # A record's intervals must not depend on how many its neighbours in the batch need.
    ratios[np.arange(MOST_BEATS) >= needed[:, None]] = np.inf
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
