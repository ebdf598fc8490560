"""Where a record's usual beats are: those whose form is that of most, and band-limited impulses at their R peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.encoding import statement_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AFTER",
    "BEFORE",
    "EARLY",
    "FIBRILLATING",
    "TRAINS",
    "VENTRICULAR",
    "beat_taper",
    "beats_given",
    "impulse_trains",
    "usual_beats",
]

EARLY = 0.85
"""Share of the median RR interval below which a beat comes early."""

VENTRICULAR = ("PVC", "BIGU")
"""Statements by which early beats have a form of their own."""

FIBRILLATING = ("AFIB", "AFLT")
"""Statements, flutter among them, by which beats come early that are conducted like the others."""

BEFORE = 40
"""Samples at 100 Hz of an averaged beat before its R peak."""

AFTER = 48
"""The same from its R peak on."""

TRAINS = 4
"""Trains of impulses that a refiner is given of each record."""

_RATE = 100
_REACH = 8
_FEWEST = 3
_ENDS, _BETWEEN = 12, 6
_SHARE_BEFORE, _SHARE_AFTER = 0.45, 0.55


def usual_beats(beats: np.ndarray, condition: np.ndarray, statements: Sequence[str]) -> np.ndarray:
    """Beat times, NaN in place of each beat after less than 0.85 of its record's median RR interval.

    In fibrillation and flutter early beats are usual ones too, but where ventricular ones are asked for.

    Args:
        beats: seconds, shape (n, beats), NaN where there is none.
        condition: as `encode_conditions` gives them for these statements.
        statements: that the model knows.
    """
    usual = np.array(beats, dtype=np.float64)
    intervals = np.diff(usual, axis=1)
    fibrillating = _stated(condition, statements, FIBRILLATING) & ~_stated(condition, statements, VENTRICULAR)
    usual[:, 1:][(intervals < EARLY * _medians(intervals)) & ~fibrillating] = np.nan
    return usual


def impulse_trains(beats: np.ndarray, usual: np.ndarray, changed: np.ndarray, samples: int) -> np.ndarray:
    """Impulses of 16 samples, a sinc under a Hann window, at beats between samples at 100 Hz.

    Args:
        beats: seconds, shape (n, beats), NaN where there is none.
        usual: those that are averaged, likewise.
        changed: those that the averaged beat stands for, likewise.
        samples: of the records.

    Returns:
        Float32, shape (n, 4, samples). First impulses at usual beats that lie whole in the record, over their number:
        what a record's averaged beat is correlated out with. Then impulses to lay a beat out with: at those to be
        changed, at usual ones, and at all others. All are empty for a record of fewer than three whole usual ones.
    """
    whole = _whole(usual, samples)
    number = whole.sum(axis=1)
    trains = np.empty((len(usual), TRAINS, samples), dtype=np.float32)
    there, others = ~np.isnan(usual), ~np.isnan(beats) & np.isnan(usual)
    for train, (times, chosen) in enumerate(
        ((usual, whole), (changed, ~np.isnan(changed)), (usual, there), (beats, others))
    ):
        trains[:, train] = _impulses(times, chosen & (number >= _FEWEST)[:, None], samples)
    trains[:, 0] /= np.maximum(number, 1)[:, None]
    return trains


def beat_taper(beats: np.ndarray) -> np.ndarray:
    """How much of a change of an averaged beat is laid out, float32, (n, 88): a beat has its share of the RR interval.

    Args:
        beats: usual ones, seconds, shape (n, beats), NaN where there is none.
    """
    places = np.arange(-BEFORE, AFTER)
    ends = np.clip(np.minimum(places + BEFORE, AFTER - 1 - places) / _ENDS, 0, 1)
    rr = _RATE * _medians(np.diff(np.sort(beats, axis=1), axis=1))
    away = np.minimum(places + _SHARE_BEFORE * rr, _SHARE_AFTER * rr - places)
    return np.nan_to_num(ends * np.clip(0.5 + away / _BETWEEN, 0, 1)).astype(np.float32)


def beats_given(
    beats: np.ndarray, condition: np.ndarray, statements: Sequence[str], samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """A refiner's inputs: `impulse_trains` and `beat_taper`.

    Early beats are changed like the others but where ventricular ones are asked for; if they are not usual ones, how
    far they are from the average stays as it is.

    Args:
        beats: seconds, shape (n, beats), NaN where there is none.
        condition: as `encode_conditions` gives them for these statements.
        statements: that the model knows.
        samples: of the records, at 100 Hz.
    """
    usual = usual_beats(beats, condition, statements)
    apart = _stated(condition, statements, VENTRICULAR)
    return impulse_trains(beats, usual, np.where(apart, usual, beats), samples), beat_taper(usual)


def _stated(condition: np.ndarray, statements: Sequence[str], codes: Sequence[str]) -> np.ndarray:
    """Which conditions hold one of these codes, (n, 1)."""
    return np.asarray(condition[:, statement_columns(statements, codes)].any(axis=1, keepdims=True))


def _whole(beats: np.ndarray, samples: int) -> np.ndarray:
    """Which beats lie whole in their record."""
    places = np.asarray(beats) * _RATE
    return (places >= BEFORE + _REACH) & (places <= samples - AFTER - _REACH)


def _impulses(beats: np.ndarray, chosen: np.ndarray, samples: int) -> np.ndarray:
    """The sum of a record's impulses at the chosen ones of its beats, (n, samples)."""
    rows, places = np.nonzero(chosen)[0], beats[chosen].astype(np.float64) * _RATE
    indices = np.floor(places).astype(np.int64)[:, None] + np.arange(1 - _REACH, 1 + _REACH)
    away = indices - places[:, None]
    impulses = np.sinc(away) * np.cos(0.5 * np.pi * away / _REACH) ** 2
    inside = (indices >= 0) & (indices < samples)
    flat = (rows[:, None] * samples + indices)[inside]
    return np.bincount(flat, impulses[inside], minlength=len(beats) * samples).reshape(-1, samples)


def _medians(values: np.ndarray) -> np.ndarray:
    """The median of what is not NaN in each row, (n, 1); NaN where there is nothing."""
    if not values.shape[1]:
        return np.full((len(values), 1), np.nan)
    ordered = np.sort(values, axis=1)
    number = (~np.isnan(values)).sum(axis=1, keepdims=True)
    lower, upper = (np.take_along_axis(ordered, at, axis=1) for at in (np.maximum(number - 1, 0) // 2, number // 2))
    return (lower + upper) / 2
