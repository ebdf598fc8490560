"""Heart rate, RR variation, PR and QRS of ECGs, measured without ecgsdk's own beat detector.

Beats come from SleepECG's detector (Brunner and Hofer 2023, doi 10.21105/joss.05411) on three leads, PR and QRS from
the record's median beat over all leads together, as electrocardiographs measure them (Kligfield et al. 2007,
Circulation 115:1306): from the earliest to the latest moment at which the leads move. Single-lead delineation
is no help at 100 Hz: on LUDB, neurokit2 0.2.13's `ecg_delineate(method="dwt")`, its median taken over beats and leads,
gave QRS durations that correlate by 0.25 with the cardiologists' and are 36 ms (standard deviation) apart after a
bias of 50 ms, the same at 500 Hz as at 100 Hz. `benchmarks/intervals_ludb.py` checks what is here in the same way.

Example (Python):

    times = detect_beats(batch.signals[0], batch.sampling_rate)
    measured = measure(batch.signals[0], batch.sampling_rate)
    print(measured.heart_rate, measured.qrs_ms)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ecgsdk.leads import LEADS, to_eight
from ecgsdk.resampling import resample

__all__ = ["Intervals", "detect_beats", "measure", "median_beat", "p_onset", "qrs_bounds", "spatial_velocity"]

RATE = 500.0
"""All is measured at this rate, in Hz; signals at 100 Hz are interpolated."""

_DETECTION_LEADS = ("II", "V2", "V5")
_BEFORE_S, _AFTER_S = 0.48, 0.40
_ALIGN_S = 0.04
_LEAST_CORRELATION = 0.85

# Chosen on LUDB's records without a pacemaker, resampled to 100 Hz and back. Samples at 500 Hz, shares of the
# greatest velocity, multiples of the velocity at rest, mV/s.
_QUICK, _SLOW = 9, 31
_PR_REACH, _ON_TIMES, _ON_SHARE = 64, 2.4, 0.013
_LEAST_AFTER, _ST_REACH, _OFF_TIMES, _OFF_SHARE, _OFF_LEAST = 15, 70, 1.7, 0.05, 3.0
_P_SMOOTH, _P_SIDE, _P_GAP, _P_REACH, _P_SHARE, _P_LEAST_MV, _QT_S = 11, 18, 15, 45, 0.35, 0.03, 0.45


@dataclass(frozen=True)
class Intervals:
    """What was measured in one ECG; NaN where it cannot be.

    Attributes:
        heart_rate: mean ventricular rate in bpm, from first to last beat.
        rr_variation: standard deviation of the RR intervals over their mean.
        pr_ms: P onset to QRS onset; NaN where no P wave stands out.
        qrs_ms: QRS duration.
    """

    heart_rate: float = math.nan
    rr_variation: float = math.nan
    pr_ms: float = math.nan
    qrs_ms: float = math.nan


def measure(signals: np.ndarray, sampling_rate: float) -> Intervals:
    """Intervals of one ECG: mV, shape (12, samples), leads in the order of `ecgsdk.leads.LEADS`."""
    signals = resample(np.asarray(signals, dtype=np.float64), sampling_rate, RATE)
    beats = detect_beats(signals, RATE)
    if len(beats) < 3:
        return Intervals()
    intervals = np.diff(beats)
    rate, variation = 60 / intervals.mean(), intervals.std() / intervals.mean()
    beat = median_beat(to_eight(signals), beats)
    if beat is None:
        return Intervals(rate, variation)
    rr = float(np.median(intervals))
    onset, offset = qrs_bounds(beat, rr)
    p = p_onset(beat, onset, offset, rr)
    return Intervals(rate, variation, (onset - p) * 1000 / RATE, (offset - onset) * 1000 / RATE)


def detect_beats(signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    """Times of the QRS complexes in seconds, rising.

    Of SleepECG's findings in leads II, V2 and V5 it takes the one with the middle number of beats, so that a lead
    with low voltages or tall T waves is outvoted.

    Args:
        signals: mV, shape (12, samples), leads in the order of `ecgsdk.leads.LEADS`.
        sampling_rate: Hz.
    """
    from sleepecg import detect_heartbeats

    rows = [np.asarray(signals[LEADS.index(lead)], dtype=np.float64) for lead in _DETECTION_LEADS]
    found = [detect_heartbeats(row, sampling_rate) if row.std() > 0 else np.empty(0) for row in rows]
    return np.asarray(sorted(found, key=len)[1], dtype=np.float64) / sampling_rate


def median_beat(eight: np.ndarray, beats: np.ndarray) -> np.ndarray | None:
    """The record's usual beat, shape (8, samples) at 500 Hz, 0.48 s before to 0.40 s after the QRS.

    Beats are aligned by their spatial velocity and averaged by the median; those that differ from the usual shape
    (correlation below 0.85: premature, aberrant, disturbed) or are cut by the record's ends are left out.

    Args:
        eight: mV at 500 Hz, shape (8, samples).
        beats: seconds.

    Returns:
        None when fewer than two beats are left.
    """
    before, after, reach = (round(s * RATE) for s in (_BEFORE_S, _AFTER_S, _ALIGN_S))
    centres = np.rint(np.asarray(beats) * RATE).astype(int)
    centres = centres[(centres >= before + reach) & (centres + after + reach <= eight.shape[1])]
    if len(centres) < 2:
        return None
    velocity = spatial_velocity(eight)
    template = np.median([velocity[c - reach : c + reach] for c in centres], axis=0)
    for _ in range(2):
        centres = np.array([_aligned(velocity, template, c, reach) for c in centres])
        template = np.median([velocity[c - reach : c + reach] for c in centres], axis=0)
    whole = centres[(centres >= before) & (centres + after <= eight.shape[1])]
    if len(whole) < 2:
        return None
    cuts = np.stack([eight[:, c - before : c + after] for c in whole])
    return _median_of_alike(cuts - np.median(cuts, axis=2, keepdims=True), slice(before - 60, before + 60))


def spatial_velocity(eight: np.ndarray) -> np.ndarray:
    """How fast all leads together move: mV/s, shape (samples,), from mV at 500 Hz, shape (8, samples)."""
    slopes = np.gradient(eight, axis=1) * RATE
    return np.sqrt((slopes**2).sum(axis=0))


def qrs_bounds(beat: np.ndarray, rr_s: float) -> tuple[int, int]:
    """First and last sample of the QRS complex of a beat of `median_beat`, where the usual RR interval is `rr_s`.

    From the quietest moment of the PR segment on, and from that of the ST segment back, the spatial velocity first
    exceeds a level between rest and QRS. Coming from outside, a notch inside a broad QRS does not end it.
    """
    velocity = spatial_velocity(beat)
    quick, slow = _smooth(velocity, _QUICK), _smooth(velocity, _SLOW)
    centre = round(_BEFORE_S * RATE)
    top = centre - 40 + int(np.argmax(quick[centre - 40 : centre + 40]))
    before = top - _PR_REACH + int(np.argmin(slow[top - _PR_REACH : top - 5]))
    stop = top + _LEAST_AFTER + round(_ST_REACH * min(1.0, math.sqrt(rr_s)))
    after = top + _LEAST_AFTER + int(np.argmin(slow[top + _LEAST_AFTER : stop]))
    start_level = max(_ON_TIMES * slow[before], slow[before] + _ON_SHARE * (quick[top] - slow[before]))
    end_level = max(_OFF_TIMES * slow[after], slow[after] + _OFF_SHARE * (quick[top] - slow[after]), _OFF_LEAST)
    above_start = np.flatnonzero(quick[before:top] > start_level)
    above_end = np.flatnonzero(quick[top : after + 1] > end_level)
    onset = before + int(above_start[0]) if len(above_start) else top
    return onset, top + int(above_end[-1]) if len(above_end) else top


def p_onset(beat: np.ndarray, qrs_onset: int, qrs_offset: int, rr_s: float) -> float:
    """First sample of the P wave of a beat of `median_beat`, NaN where none of 0.03 mV stands out.

    The P wave is the greatest bump (against the level 36 ms to either side, all leads together) between the QRS and
    the usual end of the T wave before it (QT after Bazett 1920, Heart 7:353, longer by what the QRS has beyond
    100 ms). It begins where the spatial velocity, going back from its steepest rise, has fallen to 35 %.
    """
    held = beat.copy()
    held[:, qrs_onset:] = beat[:, qrs_onset : qrs_onset + 1]
    smooth = np.stack([_smooth(_smooth(lead, _P_SMOOTH), _P_SMOOTH) for lead in held])
    bump = np.zeros_like(smooth)
    sides = (smooth[:, : -2 * _P_SIDE] + smooth[:, 2 * _P_SIDE :]) / 2
    bump[:, _P_SIDE:-_P_SIDE] = smooth[:, _P_SIDE:-_P_SIDE] - sides
    size = np.sqrt((bump**2).sum(axis=0))
    usual_qt = _QT_S * math.sqrt(rr_s) + max(0.0, (qrs_offset - qrs_onset) / RATE - 0.1)
    first = max(_P_SIDE, qrs_onset + round((usual_qt - rr_s) * RATE))
    window = size[first : qrs_onset - _P_GAP]
    if len(window) < 3:
        return math.nan
    peaks = np.flatnonzero((window[1:-1] > window[:-2]) & (window[1:-1] >= window[2:])) + 1
    if not len(peaks):
        return math.nan
    top = first + int(peaks[np.argmax(window[peaks])])
    if size[top] < _P_LEAST_MV:
        return math.nan
    return float(_rise_began(spatial_velocity(smooth), top))


def _rise_began(velocity: np.ndarray, top: int) -> int:
    low = max(0, top - _P_REACH)
    at = steepest = low + int(np.argmax(velocity[low:top]))
    while at > max(0, low - 20) and velocity[at] > _P_SHARE * velocity[steepest]:
        at -= 1
    return at


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def _aligned(velocity: np.ndarray, template: np.ndarray, centre: int, reach: int) -> int:
    lags = range(-reach // 2, reach // 2 + 1)
    cuts = [velocity[max(0, centre + lag - reach) : centre + lag + reach] for lag in lags]
    scores = [float(cut @ template) if len(cut) == len(template) else -math.inf for cut in cuts]
    return centre + lags[int(np.argmax(scores))]


def _median_of_alike(cuts: np.ndarray, qrs: slice) -> np.ndarray | None:
    usual = np.median(cuts, axis=0)[:, qrs].ravel()
    alike = [np.corrcoef(cut[:, qrs].ravel(), usual)[0, 1] > _LEAST_CORRELATION for cut in cuts]
    if sum(alike) < 2:
        return None
    return np.median(cuts[np.array(alike)], axis=0)
