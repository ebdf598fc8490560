"""Heights of the waves of a median beat lead by lead, and the electrical axis of its QRS complex."""

from __future__ import annotations

import math

import numpy as np

from ecgsdk.leads import LEADS, to_twelve
from ecgsdk.validation.physiology.delineation import Waves

__all__ = ["AMPLITUDE_LEADS", "amplitudes", "frontal_axis", "p_height"]

AMPLITUDE_LEADS = ("I", "II", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Leads whose amplitudes are measured: the eight independent ones, and two that hypertrophy and axis are read of."""

_POSITIONS = [LEADS.index(name) for name in AMPLITUDE_LEADS]
_BASELINE = 10
_ST_AFTER_J = 30
_T_AFTER_J = 40
_LEAST_NET_MV = 0.05


def amplitudes(median: np.ndarray, waves: Waves) -> dict[str, np.ndarray]:
    """R, S, ST and T of each of `AMPLITUDE_LEADS` in mV, each of shape (10,), from the level of the PR segment.

    R is the greatest height of the QRS complex and S its greatest depth (of S, Q or QS), both positive or zero. ST is
    the level 60 ms after the QRS (the mean of 10 ms), T the greatest deflection from 80 ms after the QRS on, negative
    where the wave points down; NaN where its end is not known.

    Args:
        median: of `UsualBeat`, mV, shape (8, samples).
    """
    leads = _above_pr_level(median, waves)[_POSITIONS]
    qrs = leads[:, waves.qrs_onset : waves.qrs_offset + 1]
    st = waves.qrs_offset + _ST_AFTER_J
    return {
        "r": np.maximum(qrs.max(axis=1), 0.0),
        "s": np.maximum(-qrs.min(axis=1), 0.0),
        "st": leads[:, st - 2 : st + 3].mean(axis=1),
        "t": _greatest_deflection(leads, waves.qrs_offset + _T_AFTER_J, waves.t_end),
    }


def frontal_axis(median: np.ndarray, waves: Waves) -> float:
    """Electrical axis of the QRS complex in the frontal plane, degrees from −180 to 180; 0 is lead I, 90 is aVF.

    From the net heights (R minus S) in I and aVF, the latter times 2/√3, because the augmented leads are that much
    smaller (Novosel et al. 1999, Croat Med J 40:77). Of heights and not of areas: in right bundle branch block the
    slow end of the QRS would turn the axis round, and on LUDB heights follow the cardiologists' five kinds of axis
    better (rank correlation 0.84 against 0.78). NaN where less than 0.05 mV is left: no axis can be told.

    Args:
        median: of `UsualBeat`, mV, shape (8, samples).
    """
    leads = _above_pr_level(median, waves)[[LEADS.index("I"), LEADS.index("aVF")]]
    qrs = leads[:, waves.qrs_onset : waves.qrs_offset + 1]
    right, down = np.maximum(qrs.max(axis=1), 0) + np.minimum(qrs.min(axis=1), 0)
    down *= 2 / math.sqrt(3)
    return math.degrees(math.atan2(down, right)) if math.hypot(right, down) >= _LEAST_NET_MV else math.nan


def p_height(median: np.ndarray, waves: Waves) -> float:
    """Greatest deflection of P in lead II in mV, from the line between its onset and the QRS; NaN without a P wave."""
    if not math.isfinite(waves.p_onset):
        return math.nan
    first, last = int(waves.p_onset), waves.qrs_onset
    wave = median[1, first : last + 1]
    line = np.linspace(wave[0], wave[-1], len(wave))
    return float(wave[np.argmax(np.abs(wave - line))] - line[np.argmax(np.abs(wave - line))])


def _above_pr_level(median: np.ndarray, waves: Waves) -> np.ndarray:
    """All 12 leads, the mean of the 20 ms before the QRS at zero."""
    level = median[:, waves.qrs_onset - _BASELINE : waves.qrs_onset].mean(axis=1, keepdims=True)
    return to_twelve(median - level)


def _greatest_deflection(leads: np.ndarray, first: int, last: float) -> np.ndarray:
    if not math.isfinite(last) or last <= first:
        return np.full(len(leads), math.nan)
    wave = leads[:, first : int(last) + 1]
    return wave[np.arange(len(wave)), np.argmax(np.abs(wave), axis=1)]
