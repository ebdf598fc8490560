"""Heart rate, PR, QRS, QT, axis and amplitudes of many ECGs: the figures that a cardiologist reads, one record each.

Beats come from `ecgsdk.beats.detect_beats`, all else from each record's usual beat over all leads together; see
`median_beat`, `delineation` and `amplitudes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ecgsdk.beats import detect_beats, heart_rate, rr_variation
from ecgsdk.leads import to_eight
from ecgsdk.resampling import resample
from ecgsdk.validation.physiology.amplitudes import AMPLITUDE_LEADS, amplitudes, frontal_axis, p_height
from ecgsdk.validation.physiology.delineation import Waves, delineate
from ecgsdk.validation.physiology.median_beat import AFTER, BEFORE, RATE, UsualBeat, usual_beat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BEAT_RATE",
    "BEAT_SAMPLES",
    "FIGURES",
    "MEASUREMENT_ERROR",
    "P_PRESENT",
    "R_PEAK",
    "Figure",
    "MeasurementError",
    "lead_figure",
    "measure_records",
]

BEAT_RATE = 100.0
"""Rate in Hz of the median beats that are handed out."""

BEAT_SAMPLES = 88
"""Their length."""

R_PEAK = 48
"""The sample at which their QRS complex is."""

P_PRESENT = 0.4
"""Least `p_presence` of a P wave: below, PR and P amplitude are not measured.

Chosen on PTB-XL's fold 8. In its fold 9 at 100 Hz, 98.7 % of the normal ECGs are above, and 3.3 % of those with atrial
fibrillation; with flutter, whose waves may keep their distance from the QRS, 5.8 %. The report tells them anew."""

_CHUNK = 32


@dataclass(frozen=True)
class Figure:
    """What is known of a figure.

    Attributes:
        title: for people, without the unit.
        unit: "" for a pure number.
        family: "rhythm", "interval", "axis", "P wave" or "amplitude".
        plausible: bounds beyond which no living heart is expected; None where there is no such bound.
        about: how it is measured, with its source.
    """

    title: str
    unit: str
    family: str
    plausible: tuple[float, float] | None = None
    about: str = ""


class MeasurementError(NamedTuple):
    """How far a figure is from LUDB's cardiologists: mean and standard deviation of ours minus theirs."""

    bias: float
    sd: float
    correlation: float
    records: int


_ALL_LEADS = "over all leads together; Kligfield et al. 2007, Circulation 115:1306"
_RECORD_FIGURES = {
    "heart_rate": Figure("Heart rate", "bpm", "rhythm", (20, 300), "mean ventricular rate, first to last beat"),
    "rr_variation": Figure("RR variation", "", "rhythm", (0, 1), "standard deviation of the RR intervals / mean"),
    "rr_successive": Figure(
        "RR successive variation",
        "",
        "rhythm",
        (0, 1.5),
        "root mean square of successive RR differences / mean RR (Task Force 1996, Circulation 93:1043): large in "
        "fibrillation, small beside the RR variation in sinus arrhythmia",
    ),
    "rr_shortest": Figure("Shortest RR", "of mean", "rhythm", (0.1, 1), "shortest RR interval / mean"),
    "rr_longest": Figure("Longest RR", "of mean", "rhythm", (1, 5), "longest RR interval / mean: pauses"),
    "pr_ms": Figure("PR", "ms", "interval", (70, 450), f"P onset to QRS onset, {_ALL_LEADS}"),
    "qrs_ms": Figure("QRS", "ms", "interval", (50, 250), f"QRS duration {_ALL_LEADS}"),
    "qt_ms": Figure("QT", "ms", "interval", (200, 700), f"QRS onset to the end of T, {_ALL_LEADS}"),
    "qtc_ms": Figure(
        "QTc (Fridericia)", "ms", "interval", (250, 700), "QT / RR^(1/3); Fridericia 1920, Acta Med Scand 53:469"
    ),
    "qtc_bazett_ms": Figure("QTc (Bazett)", "ms", "interval", (250, 700), "QT / √RR; Bazett 1920, Heart 7:353"),
    "axis_deg": Figure(
        "QRS axis", "°", "axis", None, "net heights in I and aVF; Novosel et al. 1999, Croat Med J 40:77"
    ),
    "p_presence": Figure("P presence", "", "P wave", None, "what the beats have in common before the QRS, 0 to 1"),
    "p_ii_mv": Figure("P amplitude, II", "mV", "P wave", (-0.6, 0.8), "from the line between P onset and QRS"),
    "sokolow_lyon_mv": Figure(
        "Sokolow-Lyon voltage",
        "mV",
        "amplitude",
        (0, 12),
        "S in V1 + R in V5 or V6; Sokolow and Lyon 1949, Am Heart J 37:161",
    ),
}
_WAVES = {
    "r": ("R", (0, 8), "greatest height of the QRS complex above the PR segment"),
    "s": ("S", (0, 8), "greatest depth of the QRS complex (S, Q or QS) below the PR segment"),
    "st": ("ST", (-2, 2), "level 60 ms after the QRS complex above the PR segment"),
    "t": ("T", (-3, 3), "greatest deflection of the T wave from the PR segment"),
}


def lead_figure(wave: str, lead: str) -> str:
    """Name of the figure of wave "r", "s", "st" or "t" in a lead: "r_v5_mv"."""
    return f"{wave}_{lead.lower()}_mv"


FIGURES: Mapping[str, Figure] = {
    **_RECORD_FIGURES,
    **{
        lead_figure(wave, lead): Figure(f"{letter}, {lead}", "mV", "amplitude", plausible, about)
        for wave, (letter, plausible, about) in _WAVES.items()
        for lead in AMPLITUDE_LEADS
    },
}
"""Every figure of `measure_records` by name."""

MEASUREMENT_ERROR: Mapping[str, MeasurementError] = {
    "heart_rate": MeasurementError(0.0, 0.9, 0.998, 191),
    "pr_ms": MeasurementError(2.9, 10.8, 0.907, 173),
    "qrs_ms": MeasurementError(3.9, 8.1, 0.867, 191),
    "qt_ms": MeasurementError(-2.9, 12.1, 0.952, 96),
    "qtc_ms": MeasurementError(-2.8, 13.0, 0.899, 96),
}
"""Ours minus the cardiologists' of LUDB (Kalyakulina et al. 2020, IEEE Access 8:186181) in their usual lead, records
without a pacemaker, resampled to 100 Hz; QT and QTc on the odd record numbers, on which nothing of QT was chosen.
Measured by `python benchmarks/intervals_ludb.py ludb/` and `--odd`."""


def measure_records(
    signals: np.ndarray, sampling_rate: float, *, beats: Sequence[np.ndarray] | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Figures and median beats of ECGs; what cannot be measured is NaN.

    Args:
        signals: mV, shape (n, 12, samples), leads in the order of `ecgsdk.leads.LEADS`.
        sampling_rate: Hz.
        beats: times of each record's QRS complexes in seconds, of another detector; ours by default.

    Returns:
        Every figure of `FIGURES`, float64, shape (n,), and the median beats of leads I, II, V1–V6, float32 mV, shape
        (n, 8, BEAT_SAMPLES) at `BEAT_RATE` with the QRS complex at sample `R_PEAK`.
    """
    signals = np.asarray(signals)
    figures = {name: np.full(len(signals), math.nan) for name in FIGURES}
    medians = np.empty((len(signals), 8, BEAT_SAMPLES), dtype=np.float32)
    for first in range(0, len(signals), _CHUNK):
        chunk = _finite(signals[first : first + _CHUNK])
        times = detect_beats(chunk, sampling_rate) if beats is None else beats[first : first + _CHUNK]
        usual = np.full((len(chunk), 8, BEFORE + AFTER), math.nan)
        for i, (eight, found) in enumerate(zip(_at_measuring_rate(chunk, sampling_rate), times)):
            measured, median = _measure(eight, np.asarray(found, dtype=np.float64))
            for name, value in measured.items():
                figures[name][first + i] = value
            if median is not None:
                usual[i] = median
        medians[first : first + len(chunk)] = resample(usual, RATE, BEAT_RATE)[..., :BEAT_SAMPLES]
    return figures, medians


def _finite(signals: np.ndarray) -> np.ndarray:
    """The signals; a record with anything else than finite numbers becomes a flat line, which has no figures."""
    known = np.isfinite(signals).all(axis=(1, 2), keepdims=True)
    return np.where(known, signals, 0.0).astype(np.float32)


def _at_measuring_rate(signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    eight = to_eight(signals)
    if sampling_rate == RATE:
        return eight
    # One sample more: ten seconds are then a thousand steps, and the Fourier transform of round numbers is quick.
    return resample(np.concatenate([eight, eight[..., -1:]], axis=-1), sampling_rate, RATE)


def _measure(eight: np.ndarray, beats: np.ndarray) -> tuple[dict[str, float], np.ndarray | None]:
    rate = heart_rate(beats)
    measured = {"heart_rate": rate, "rr_variation": rr_variation(beats), **_rhythm(beats)}
    beat = usual_beat(eight, beats) if len(beats) > 2 else None
    if beat is None:
        return measured, None
    waves = delineate(beat, float(np.median(np.diff(beats))))
    return {**measured, **_intervals(waves, 60 / rate), **_heights(beat, waves)}, beat.median


def _rhythm(beats: np.ndarray) -> dict[str, float]:
    if len(beats) < 3:
        return {}
    intervals = np.diff(beats)
    intervals = intervals / intervals.mean()
    return {
        "rr_successive": math.sqrt(float((np.diff(intervals) ** 2).mean())),
        "rr_shortest": float(intervals.min()),
        "rr_longest": float(intervals.max()),
    }


def _intervals(waves: Waves, mean_rr_s: float) -> dict[str, float]:
    present = waves.p_presence >= P_PRESENT
    qt = _milliseconds(waves.t_end - waves.qrs_onset)
    return {
        "pr_ms": _milliseconds(waves.qrs_onset - waves.p_onset) if present else math.nan,
        "qrs_ms": _milliseconds(waves.qrs_offset - waves.qrs_onset),
        "qt_ms": qt,
        "qtc_ms": qt / mean_rr_s ** (1 / 3),
        "qtc_bazett_ms": qt / math.sqrt(mean_rr_s),
        "p_presence": waves.p_presence,
    }


def _heights(beat: UsualBeat, waves: Waves) -> dict[str, float]:
    waves_of_leads = amplitudes(beat.median, waves)
    by_lead = {
        lead_figure(wave, lead): float(value)
        for wave, values in waves_of_leads.items()
        for lead, value in zip(AMPLITUDE_LEADS, values)
    }
    left = max(by_lead[lead_figure("r", "V5")], by_lead[lead_figure("r", "V6")])
    return {
        **by_lead,
        "axis_deg": frontal_axis(beat.median, waves),
        "p_ii_mv": p_height(beat.median, waves) if waves.p_presence >= P_PRESENT else math.nan,
        "sokolow_lyon_mv": by_lead[lead_figure("s", "V1")] + left,
    }


def _milliseconds(samples: float) -> float:
    return samples * 1000 / RATE
