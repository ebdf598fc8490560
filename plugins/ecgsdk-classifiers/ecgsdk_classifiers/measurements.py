"""Measured features of ECGs, in NumPy: rhythm, durations, amplitudes and areas of the median beat, spectra.

They are what an electrocardiograph prints and what diagnostic criteria are made of (Surawicz and Knilans 2008, Chou's
Electrocardiography in Clinical Practice; Macfarlane et al. 2005, Comput Cardiol 32:825), plus spectral powers.

Example (Python):

    measure(signals, 100.0)[:, FEATURES.index("qrs_duration")]
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.beats import detect_beats
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS, to_eight
from ecgsdk_classifiers.median_beats import BEFORE_S, median_beats, qrs_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecgsdk_classifiers.median_beats import MedianBeats

__all__ = ["FEATURES", "measure"]

_HIGH_PASS_HZ = 0.4
_BANDS_HZ = ((0.5, 2), (2, 4), (4, 6), (6, 9), (9, 14), (14, 20), (20, 30), (30, 45))
_PREMATURE = 0.85
_UNLIKE = 0.8

_RHYTHM = (
    *("beats", "heart_rate", "rr_variation", "rr_rms_difference", "rr_shortest", "rr_longest", "rr_serial_correlation"),
    *("premature", "rr_before_earliest", "rr_after_earliest", "likeness_of_earliest", "size_of_earliest"),
    *("likeness_least", "likeness_mean", "unlike", "size_largest", "premature_unlike", "premature_alike"),
)
_GLOBAL = (
    *("qrs_duration", "p_peak", "p_bump", "p_onset", "t_peak", "qt", "qtc"),
    *("qrs_axis", "t_axis", "qrs_t_angle", "sokolow_lyon", "cornell", "cornell_product", "voltage_sum"),
)
_PER_LEAD = (
    *("q", "r", "s", "r_prime", "r_time", "s_time", "qrs_area", "qrs_absolute", "j", "st60", "st_slope"),
    *("t_highest", "t_lowest", "t_area", "t_late", "p_highest", "p_lowest", "p_area", "p_share"),
)
FEATURES: tuple[str, ...] = (
    *_RHYTHM,
    *_GLOBAL,
    *(f"{name}_{lead}" for name in _PER_LEAD for lead in LEADS),
    *(f"power_{low:g}_{high:g}_{lead}" for low, high in _BANDS_HZ for lead in INDEPENDENT_LEADS),
)
"""Names of the columns of `measure`: times in seconds, amplitudes in mV, areas in mV·s, angles in degrees, powers as
natural logarithms of mV²."""


def measure(signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    """The features of each record, NaN where one cannot be measured.

    Each record is measured for itself, whatever others are beside it.

    Args:
        signals: mV, shape (n, 12, samples), leads in the order of `ecgsdk.leads.LEADS`.
        sampling_rate: Hz.

    Returns:
        float32, shape (n, len(FEATURES)).
    """
    level = _high_pass(np.asarray(signals, dtype=np.float32), sampling_rate)
    beats = detect_beats(level, sampling_rate)
    medians = median_beats(level, beats, sampling_rate)
    found = {name: np.full(len(signals), np.nan, dtype=np.float32) for name in FEATURES}
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # NaN in, NaN out is what is meant here
        found |= _columns(_RHYTHM, [_rhythm(*one) for one in zip(beats, medians.likeness, medians.sizes)])
        found |= _of_the_beat(medians, 60 / found["heart_rate"], sampling_rate)
        found |= {f"p_share_{lead}": medians.p_share[:, k] for k, lead in enumerate(LEADS)}
        found |= _powers(to_eight(level), sampling_rate)
    return np.stack([found[name] for name in FEATURES], axis=1).astype(np.float32)


def _high_pass(signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    """Signals without baseline wander: a second-order high pass without phase shift, mirrored at the ends."""
    samples = signals.shape[-1]
    frequencies = np.fft.rfftfreq(2 * samples, 1 / sampling_rate)
    gain = 1 / (1 + (_HIGH_PASS_HZ / np.maximum(frequencies, 1e-6)) ** 4)
    mirrored = np.concatenate([signals, signals[..., ::-1]], axis=-1)
    return np.fft.irfft(np.fft.rfft(mirrored) * gain, n=2 * samples)[..., :samples].astype(np.float32)


def _columns(names: tuple[str, ...], rows: list[tuple[float, ...]]) -> dict[str, np.ndarray]:
    table = np.array(rows, dtype=np.float32).reshape(len(rows), len(names))
    return {name: table[:, k] for k, name in enumerate(names)}


def _rhythm(beats: np.ndarray, likeness: np.ndarray, sizes: np.ndarray) -> tuple[float, ...]:
    """The features of `_RHYTHM` of one record."""
    if len(beats) < 4:
        return (len(beats), *[np.nan] * (len(_RHYTHM) - 1))
    intervals = np.diff(beats)
    usual = np.median(intervals)
    relative = intervals / usual
    # The beat that ends the shortest interval; the pause after it, if it was recorded.
    earliest = int(relative.argmin()) + 1
    early = np.concatenate([[False], relative < _PREMATURE])
    unlike = likeness < _UNLIKE
    centred = relative - relative.mean()
    return (
        len(beats),
        60 / intervals.mean(),
        relative.std(),
        np.sqrt((np.diff(relative) ** 2).mean()),
        relative.min(),
        relative.max(),
        (centred[1:] * centred[:-1]).mean() / max(float((centred**2).mean()), 1e-6),
        early.sum(),
        relative[earliest - 1],
        relative[earliest] if earliest < len(relative) else np.nan,
        likeness[earliest],
        sizes[earliest],
        np.nanmin(likeness),
        np.nanmean(likeness),
        unlike.sum(),
        np.nanmax(sizes),
        (early & unlike).sum(),
        (early & ~unlike).sum(),
    )


def _of_the_beat(medians: MedianBeats, rr: np.ndarray, sampling_rate: float) -> dict[str, np.ndarray]:
    """Durations, amplitudes, areas and angles of the median beats."""
    onset, offset = qrs_limits(to_eight(medians.signals), sampling_rate)
    at = _Aligned(medians.signals, onset, offset, sampling_rate)
    qrs, t, p = _qrs(at), _t_wave(at, rr), _p_wave(at, rr)
    lead = {name: qrs["qrs_area"][:, LEADS.index(name)] for name in ("I", "aVF")}
    t_lead = {name: t["t_area"][:, LEADS.index(name)] for name in ("I", "aVF")}
    qrs_axis, t_axis = (np.degrees(np.arctan2(one["aVF"], one["I"])) for one in (lead, t_lead))
    apart = np.abs((qrs_axis - t_axis + 180) % 360 - 180)
    whole = {"qrs_duration": at.duration, "qrs_axis": qrs_axis, "t_axis": t_axis, "qrs_t_angle": apart}
    per_lead = {name: values for part in (qrs, t, p) for name, values in part.items() if values.ndim == 2}
    single = {name: values for part in (t, p) for name, values in part.items() if values.ndim == 1}
    return {
        **whole,
        **single,
        **_voltages(qrs, at.duration),
        **{f"{name}_{lead}": values[:, k] for name, values in per_lead.items() for k, lead in enumerate(LEADS)},
    }


class _Aligned:
    """Median beats with the QRS onset at one sample, and zero level just before it."""

    def __init__(self, medians: np.ndarray, onset: np.ndarray, offset: np.ndarray, rate: float) -> None:
        known = np.isfinite(onset)
        self.rate = rate
        self.zero = round(BEFORE_S * rate)
        first = np.where(known, np.floor(np.nan_to_num(onset)), self.zero).astype(int)
        columns = first[:, None] + np.arange(-self.zero, medians.shape[-1] - self.zero)
        inside = (columns >= 0) & (columns < medians.shape[-1])
        where = np.clip(columns, 0, medians.shape[-1] - 1)
        shifted = np.take_along_axis(medians, where[:, None, :], axis=-1)
        shifted = np.where(inside[:, None, :], shifted, np.nan)
        level = shifted[..., self.zero - 2 : self.zero + 1].mean(axis=-1, keepdims=True)
        self.signals = shifted - level
        self.duration = (offset - onset) / rate
        self.end = np.ceil(np.nan_to_num(offset - onset, nan=8)).astype(int)
        self.times = (np.arange(shifted.shape[-1]) - self.zero) / rate

    def part(self, start: np.ndarray | float, stop: np.ndarray | float) -> np.ndarray:
        """The signals from `start` to `stop`, in seconds from the QRS onset; NaN outside; shape (n, 12, samples)."""
        start, stop = (np.reshape(np.asarray(edge, dtype=float), (-1, 1)) for edge in (start, stop))
        chosen = (self.times >= start - 1e-9) & (self.times <= stop + 1e-9)
        return np.where(chosen[:, None, :], self.signals, np.nan)


def _qrs(at: _Aligned) -> dict[str, np.ndarray]:
    """Amplitudes and areas of the QRS complex and the ST segment in each lead, (n, 12)."""
    end = at.end / at.rate
    inside = at.part(0, end + 0.01)
    flat = np.nan_to_num(inside)
    r_at = np.nan_to_num(inside, nan=-np.inf).argmax(axis=-1)
    times = np.arange(flat.shape[-1])
    before, after = times < r_at[..., None], times > r_at[..., None]
    s_at = np.where(after, flat, np.inf).argmin(axis=-1)
    later = times > s_at[..., None]
    st = [at.part(end + t - 0.005, end + t + 0.015) for t in (0.01, 0.06)]
    j, st60 = (np.nanmean(part, axis=-1) for part in st)
    return {
        "q": np.where(before, flat, 0).min(axis=-1),
        "r": flat.max(axis=-1),
        "s": np.where(after, flat, 0).min(axis=-1),
        "r_prime": np.where(later, flat, 0).max(axis=-1),
        "r_time": at.times[r_at],
        "s_time": at.times[s_at],
        "qrs_area": flat.sum(axis=-1) / at.rate,
        "qrs_absolute": np.abs(flat).sum(axis=-1) / at.rate,
        "j": j,
        "st60": st60,
        "st_slope": st60 - j,
    }


def _t_wave(at: _Aligned, rr: np.ndarray) -> dict[str, np.ndarray]:
    """Amplitudes of the T wave in each lead, (n, 12), and its times in all leads together, (n,)."""
    end = at.end / at.rate
    stop = np.fmin(0.52, 0.7 * rr)
    inside = at.part(end + 0.08, stop)
    magnitude = np.sqrt((np.nan_to_num(to_eight(inside)) ** 2).mean(axis=1))
    peak = magnitude.argmax(axis=-1)
    high = magnitude.max(axis=-1)
    falls = (np.arange(magnitude.shape[-1]) > peak[:, None]) & (magnitude < 0.3 * high[:, None])
    qt = at.times[falls.argmax(axis=-1)]
    middle = at.times[peak]
    return {
        "t_highest": np.nanmax(inside, axis=-1),
        "t_lowest": np.nanmin(inside, axis=-1),
        "t_area": np.nansum(inside, axis=-1) / at.rate,
        "t_late": np.nanmean(at.part(middle + 0.02, middle + 0.08), axis=-1),
        "t_peak": middle,
        "qt": qt,
        "qtc": qt / np.sqrt(rr),
    }


def _p_wave(at: _Aligned, rr: np.ndarray) -> dict[str, np.ndarray]:
    """Amplitudes of the P wave in each lead, (n, 12), and its times in all leads together, (n,).

    It is sought as the greatest bump, how far a sample lies off the mean of those 60 ms before and after, which a
    sloping T wave before it does not disturb.
    """
    reach = round(0.06 * at.rate)
    start = -np.fmin(0.40, 0.55 * rr)
    inside = at.part(start, -0.03)
    bump = np.full_like(inside, np.nan)
    around = (inside[..., : -2 * reach] + inside[..., 2 * reach :]) / 2
    bump[..., reach:-reach] = inside[..., reach:-reach] - around
    size = np.sqrt((np.nan_to_num(bump) ** 2).mean(axis=1))
    peak = at.times[size.argmax(axis=-1)]
    high = size.max(axis=-1)
    early = (size > 0.4 * high[:, None]).argmax(axis=-1)
    wave = at.part(peak - 0.06, peak + 0.06)
    wave = wave - np.nanmean(at.part(peak - 0.10, peak - 0.06), axis=-1, keepdims=True)
    return {
        "p_highest": np.nanmax(wave, axis=-1),
        "p_lowest": np.nanmin(wave, axis=-1),
        "p_area": np.nansum(wave, axis=-1) / at.rate,
        "p_peak": peak,
        "p_bump": high,
        "p_onset": at.times[early],
    }


def _voltages(qrs: Mapping[str, np.ndarray], duration: np.ndarray) -> dict[str, np.ndarray]:
    """Voltage criteria of left ventricular hypertrophy.

    Sokolow and Lyon 1949 (Am Heart J 37:161): S in V1 plus the greater R of V5 and V6. Casale et al. 1987
    (Circulation 75:565), Cornell: R in aVL plus S in V3. Molloy et al. 1992 (J Am Coll Cardiol 20:1180): Cornell
    times QRS duration.
    """
    r = {lead: qrs["r"][:, LEADS.index(lead)] for lead in ("V5", "V6", "aVL")}
    # A complex without an R wave has its deepest point as Q.
    lowest = np.minimum(qrs["q"], qrs["s"])
    s = {lead: -lowest[:, LEADS.index(lead)] for lead in ("V1", "V3")}
    cornell = r["aVL"] + s["V3"]
    return {
        "sokolow_lyon": s["V1"] + np.maximum(r["V5"], r["V6"]),
        "cornell": cornell,
        "cornell_product": cornell * duration,
        "voltage_sum": (qrs["r"] - lowest).sum(axis=1),
    }


def _powers(signals: np.ndarray, sampling_rate: float) -> dict[str, np.ndarray]:
    """Logarithm of the power of each lead in each band."""
    samples = signals.shape[-1]
    spectrum = np.abs(np.fft.rfft(signals * np.hanning(samples).astype(np.float32))) ** 2 / samples**2
    frequencies = np.fft.rfftfreq(samples, 1 / sampling_rate)
    found: dict[str, np.ndarray] = {}
    for low, high in _BANDS_HZ:
        power = np.log(spectrum[..., (frequencies >= low) & (frequencies < high)].sum(axis=-1) + 1e-9)
        found |= {f"power_{low:g}_{high:g}_{lead}": power[:, k] for k, lead in enumerate(INDEPENDENT_LEADS)}
    return found
