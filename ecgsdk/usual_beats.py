"""Where a record's usual beats are: those that do not come early, and band-limited impulses at their R peaks."""

from __future__ import annotations

import numpy as np

__all__ = ["AFTER", "BEFORE", "EARLY", "beat_taper", "beats_given", "impulse_trains", "usual_beats"]

EARLY = 0.85
"""Share of the median RR interval below which a beat comes early."""

BEFORE = 40
"""Samples at 100 Hz of an averaged beat before its R peak."""

AFTER = 48
"""The same from its R peak on."""

_RATE = 100
_REACH = 8
_FEWEST = 3
_ENDS, _BETWEEN = 12, 6
_SHARE_BEFORE, _SHARE_AFTER = 0.45, 0.55


def usual_beats(beats: np.ndarray) -> np.ndarray:
    """Beat times, (n, beats), NaN in place of each beat after less than 0.85 of its record's median RR interval."""
    usual = np.array(beats, dtype=np.float64)
    intervals = np.diff(usual, axis=1)
    for times, rr in zip(usual, intervals):
        known = rr[~np.isnan(rr)]
        if len(known):
            times[1:][rr < EARLY * np.median(known)] = np.nan
    return usual


def impulse_trains(beats: np.ndarray, samples: int) -> np.ndarray:
    """Impulses of 16 samples, a sinc under a Hann window, at usual beats between samples at 100 Hz.

    Args:
        beats: usual ones, seconds, shape (n, beats), NaN where there is none.
        samples: of the records.

    Returns:
        Float32, shape (n, 2, samples). First impulses at beats that lie whole in the record, over their number: what a
        record's averaged beat is correlated out with. Then impulses at all of them, to lay a beat out with. Both are
        empty for a record of fewer than three whole ones.
    """
    places = np.asarray(beats, dtype=np.float64) * _RATE
    known = ~np.isnan(places)
    whole = known & (places >= BEFORE + _REACH) & (places <= samples - AFTER - _REACH)
    number = whole.sum(axis=1)
    enough = number >= _FEWEST
    starts = np.floor(np.where(known, places, 0)).astype(np.int64)
    indices = starts[:, :, None] + np.arange(1 - _REACH, 1 + _REACH)
    away = indices - np.where(known, places, 0)[:, :, None]
    impulses = np.sinc(away) * np.cos(0.5 * np.pi * away / _REACH) ** 2
    inside = (indices >= 0) & (indices < samples) & enough[:, None, None]
    rows = np.broadcast_to(np.arange(len(places))[:, None, None], indices.shape)
    trains = np.zeros((len(places), 2, samples), dtype=np.float32)
    for train, chosen in enumerate((whole, known)):
        taken = inside & chosen[:, :, None]
        np.add.at(trains[:, train], (rows[taken], indices[taken]), impulses[taken])
    trains[:, 0] /= np.maximum(number, 1)[:, None]
    return trains


def beat_taper(beats: np.ndarray) -> np.ndarray:
    """How much of a change of an averaged beat is laid out, float32, (n, 88): a beat has its share of the RR interval.

    Args:
        beats: usual ones, seconds, shape (n, beats), NaN where there is none.
    """
    places = np.arange(-BEFORE, AFTER)
    ends = np.clip(np.minimum(places + BEFORE, AFTER - 1 - places) / _ENDS, 0, 1)
    tapers = np.zeros((len(beats), len(places)), dtype=np.float32)
    for taper, times in zip(tapers, beats):
        intervals = np.diff(times[~np.isnan(times)])
        if len(intervals):
            rr = _RATE * np.median(intervals)
            away = np.minimum(places + _SHARE_BEFORE * rr, _SHARE_AFTER * rr - places)
            taper[:] = ends * np.clip(0.5 + away / _BETWEEN, 0, 1)
    return tapers


def beats_given(beats: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """`impulse_trains` and `beat_taper` of the usual ones among beats, (n, beats) in seconds: a refiner's inputs."""
    usual = usual_beats(beats)
    return impulse_trains(usual, samples), beat_taper(usual)
