"""Where P, QRS and T of a record's usual beat begin and end, over all leads together.

As electrocardiographs measure a beat (Kligfield et al. 2007, Circulation 115:1306) from all leads at once: a wave
lasts as long as the leads move, which the spatial velocity shows. Single-lead delineation is no help at 100 Hz: on
LUDB, neurokit2 0.2.13's `ecg_delineate(method="dwt")`, its median taken over beats and leads, gave QRS durations that
correlate by 0.25 with the cardiologists' and are 36 ms (standard deviation) apart after a bias of 50 ms, the same at
500 Hz as at 100 Hz. `benchmarks/intervals_ludb.py` checks what is here in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ecgsdk.validation.physiology.median_beat import AFTER, BEFORE, RATE, UsualBeat, smooth, spatial_velocity

__all__ = ["Waves", "delineate", "p_wave", "qrs_bounds", "t_end"]

# Chosen on LUDB's records without a pacemaker, resampled to 100 Hz and back; those of T on its even numbers alone.
# Samples at 500 Hz, shares of the greatest velocity, multiples of the velocity at rest, mV/s.
_QUICK, _SLOW = 9, 31
_PR_REACH, _ON_TIMES, _ON_SHARE = 64, 2.4, 0.013
_LEAST_AFTER, _ST_REACH, _OFF_TIMES, _OFF_SHARE, _OFF_LEAST = 15, 70, 1.7, 0.05, 3.0
_T_SMOOTH, _T_GAP, _T_SHARE, _T_TIMES, _T_LEAST_MV = 21, 40, 0.3, 3.0, 0.05
_P_SMOOTH, _P_SIDE, _P_GAP, _P_REACH, _P_SHARE, _P_LEAST_MV = 11, 18, 15, 45, 0.35, 0.03
_P_EARLIEST, _P_HALF, _P_MARGIN, _T_TO_P = 180, 25, 40, 5
_USUAL_QT_S, _LATEST_T_PEAK_S, _LATEST_T_END_S, _LONGEST_RR_S = 0.45, 0.45, 0.56, 1.3


@dataclass(frozen=True)
class Waves:
    """Samples of a usual beat at which its waves begin and end; NaN where a wave does not stand out.

    Attributes:
        p_presence: how much the beats have in common where the P wave is; 1 where all are alike, about 0 where
            nothing keeps its distance from the QRS, as in atrial fibrillation.
    """

    p_onset: float
    p_peak: float
    p_presence: float
    qrs_onset: int
    qrs_offset: int
    t_end: float


def delineate(beat: UsualBeat, rr_s: float) -> Waves:
    """The waves of a usual beat, where the usual RR interval is `rr_s` seconds."""
    onset, offset = qrs_bounds(beat.median, rr_s)
    end = t_end(beat.median, onset, offset, rr_s)
    return Waves(*p_wave(beat, onset, offset, end, rr_s), onset, offset, end)


def qrs_bounds(median: np.ndarray, rr_s: float) -> tuple[int, int]:
    """First and last sample of the QRS complex of a median beat, mV, shape (8, samples).

    From the quietest moment of the PR segment on, and from that of the ST segment back, the spatial velocity first
    exceeds a level between rest and QRS. Coming from outside, a notch inside a broad QRS does not end it.
    """
    velocity = spatial_velocity(median)
    quick, slow = smooth(velocity, _QUICK), smooth(velocity, _SLOW)
    top = BEFORE - 40 + int(np.argmax(quick[BEFORE - 40 : BEFORE + 40]))
    before = top - _PR_REACH + int(np.argmin(slow[top - _PR_REACH : top - 5]))
    stop = top + _LEAST_AFTER + max(1, round(_ST_REACH * min(1.0, math.sqrt(rr_s))))
    after = top + _LEAST_AFTER + int(np.argmin(slow[top + _LEAST_AFTER : stop]))
    start_level = max(_ON_TIMES * slow[before], slow[before] + _ON_SHARE * (quick[top] - slow[before]))
    end_level = max(_OFF_TIMES * slow[after], slow[after] + _OFF_SHARE * (quick[top] - slow[after]), _OFF_LEAST)
    above_start = np.flatnonzero(quick[before:top] > start_level)
    above_end = np.flatnonzero(quick[top : after + 1] > end_level)
    onset = before + int(above_start[0]) if len(above_start) else top
    return onset, top + int(above_end[-1]) if len(above_end) else top


def t_end(median: np.ndarray, qrs_onset: int, qrs_offset: int, rr_s: float) -> float:
    """Last sample of the T wave of a median beat, NaN where none of 0.05 mV stands out.

    T peaks where all leads together are farthest from the PR segment. It ends where the spatial velocity has fallen
    for good below a level between its fastest descent and the quietest moment that follows: as the QRS is found.
    """
    smoothed = smooth(median, _T_SMOOTH)
    level = median[:, qrs_onset - 10 : qrs_onset].mean(axis=1, keepdims=True)
    size = np.sqrt(((smoothed - level) ** 2).sum(axis=0))
    root, broad = math.sqrt(min(rr_s, _LONGEST_RR_S)), _beyond_100_ms(qrs_onset, qrs_offset)
    latest_peak, stop = (
        min(qrs_onset + round((seconds * root + broad) * RATE), BEFORE + AFTER - margin)
        for seconds, margin in ((_LATEST_T_PEAK_S, 30), (_LATEST_T_END_S, 5))
    )
    if latest_peak - qrs_offset - _T_GAP < 10:
        return math.nan
    top = qrs_offset + _T_GAP + int(np.argmax(size[qrs_offset + _T_GAP : latest_peak]))
    velocity = smooth(spatial_velocity(smoothed), _QUICK)
    slow = smooth(velocity, _SLOW)
    quiet = top + int(np.argmin(slow[top:stop]))
    if quiet - top < 5 or size[top] < _T_LEAST_MV:
        return math.nan
    steepest = top + int(np.argmax(velocity[top:quiet]))
    end_level = max(_T_TIMES * slow[quiet], slow[quiet] + _T_SHARE * (velocity[steepest] - slow[quiet]))
    above = np.flatnonzero(velocity[steepest:quiet] > end_level)
    return float(steepest + above[-1] + 1) if len(above) else math.nan


def p_wave(
    beat: UsualBeat, qrs_onset: int, qrs_offset: int, end_of_t: float, rr_s: float
) -> tuple[float, float, float]:
    """Onset, peak and presence of the P wave; onset and peak are NaN where none of 0.03 mV stands out.

    The P wave is the greatest bump (against the level 36 ms to either side, all leads together) between the T wave
    before it and the QRS. It begins where the spatial velocity, going back from its steepest rise, has fallen to
    35 %. Where T is not known, its usual end is taken (QT after Bazett 1920, Heart 7:353, longer by what the QRS has
    beyond 100 ms).
    """
    start = end_of_t + _T_TO_P if math.isfinite(end_of_t) else qrs_onset + _usual_qt(qrs_onset, qrs_offset, rr_s)
    first = max(_P_SIDE, round(start - rr_s * RATE), qrs_onset - _P_EARLIEST)
    smoothed = _held_and_smoothed(beat.median, qrs_onset)
    size = np.sqrt((_bumps(smoothed) ** 2).sum(axis=0))
    window = size[first : qrs_onset - _P_GAP]
    peaks = np.flatnonzero((window[1:-1] > window[:-2]) & (window[1:-1] >= window[2:])) + 1
    if not len(peaks):
        return math.nan, math.nan, 0.0
    top = first + int(peaks[np.argmax(window[peaks])])
    presence = _presence(beat.single, top, qrs_onset)
    if size[top] < _P_LEAST_MV:
        return math.nan, math.nan, presence
    return float(_rise_began(spatial_velocity(smoothed), top)), float(top), presence


def _usual_qt(qrs_onset: int, qrs_offset: int, rr_s: float) -> float:
    return (_USUAL_QT_S * math.sqrt(rr_s) + _beyond_100_ms(qrs_onset, qrs_offset)) * RATE


def _beyond_100_ms(qrs_onset: int, qrs_offset: int) -> float:
    return max(0.0, (qrs_offset - qrs_onset) / RATE - 0.1)


def _held_and_smoothed(leads: np.ndarray, qrs_onset: int) -> np.ndarray:
    """What is before the QRS, smoothed; the QRS itself must not reach into it."""
    held = np.concatenate([leads[..., :qrs_onset], np.repeat(leads[..., qrs_onset, None], 2 * _P_SIDE, -1)], axis=-1)
    return smooth(smooth(held, _P_SMOOTH), _P_SMOOTH)


def _bumps(smoothed: np.ndarray) -> np.ndarray:
    """How far each sample is from the level 36 ms to either side; zero at the ends."""
    bump = np.zeros_like(smoothed)
    sides = (smoothed[..., : -2 * _P_SIDE] + smoothed[..., 2 * _P_SIDE :]) / 2
    bump[..., _P_SIDE:-_P_SIDE] = smoothed[..., _P_SIDE:-_P_SIDE] - sides
    return bump


def _presence(single: np.ndarray, top: int, qrs_onset: int) -> float:
    first = max(0, top - _P_HALF - _P_MARGIN)
    bumps = _bumps(_held_and_smoothed(single[..., first:], qrs_onset - first))
    return _in_common(bumps[..., max(0, top - _P_HALF) - first : min(top + _P_HALF, qrs_onset) - first])


def _in_common(beats: np.ndarray) -> float:
    """Share of the beats' energy that they have in common, 0 to 1, averaged over leads; (beats, leads, samples).

    The energy of the mean beat over the beats' mean energy, r, is 1 for equal beats and 1 / n for n independent ones;
    (n r − 1) / (n − 1) is 1 and 0. Each lead counts the same, so that one disturbed lead does not hide the others.
    """
    energy = (beats**2).sum(axis=-1).mean(axis=0)
    shares = (beats.mean(axis=0) ** 2).sum(axis=-1) / np.maximum(energy, 1e-12)
    return min(1.0, max(0.0, (len(beats) * float(shares.mean()) - 1) / (len(beats) - 1)))


def _rise_began(velocity: np.ndarray, top: int) -> int:
    low = max(0, top - _P_REACH)
    at = steepest = low + int(np.argmax(velocity[low:top]))
    while at > max(0, low - 20) and velocity[at] > _P_SHARE * velocity[steepest]:
        at -= 1
    return at
