"""Where the heart beats: QRS positions from all leads together, heart rate and its variation from them."""

from __future__ import annotations

import numpy as np

__all__ = ["detect_beats", "heart_rate", "rr_variation"]

_BAND_HZ = (5.0, 22.0)
_WINDOW_S = 0.12
_RECORDS_AT_ONCE = 64
_REFRACTORY_S = 0.24
_THRESHOLD = 0.33
_PEAK_REACH_S = 0.08


def detect_beats(signals: np.ndarray, sampling_rate: float) -> list[np.ndarray]:
    """Times of the QRS complexes in each record.

    The slope of the band-passed signal is summed over leads (spatial velocity), averaged over 120 ms, and its
    peaks above a third of the record's usual peak height are beats, 240 ms apart at least. The time of a beat is
    that of the greatest spatial magnitude within 80 ms: close to the R peak, whatever the lead. After Pan and
    Tompkins 1985 (IEEE Trans Biomed Eng 32:230), with leads added and one threshold a record.

    Args:
        signals: mV, shape (n, leads, samples); any set of leads.
        sampling_rate: Hz.

    Returns:
        For each record the beat times in seconds from its first sample, rising; empty when no beat stands out.
    """
    return [
        times
        for first in range(0, len(signals), _RECORDS_AT_ONCE)
        for times in _detect(signals[first : first + _RECORDS_AT_ONCE], sampling_rate)
    ]


def _detect(signals: np.ndarray, sampling_rate: float) -> list[np.ndarray]:
    banded = _band_pass(np.asarray(signals, dtype=np.float32), sampling_rate)
    velocity = np.sqrt((np.diff(banded, axis=-1, prepend=banded[..., :1]) ** 2).sum(axis=1))
    velocity = _moving_average(velocity, max(1, round(_WINDOW_S * sampling_rate)))
    magnitude = np.sqrt((banded**2).sum(axis=1))
    return [_beats_of_one(v, m, sampling_rate) for v, m in zip(velocity, magnitude)]


def heart_rate(beats: np.ndarray) -> float:
    """Mean ventricular rate in bpm, from first to last beat; NaN with fewer than two beats."""
    if len(beats) < 2:
        return float("nan")
    return 60.0 * (len(beats) - 1) / float(beats[-1] - beats[0])


def rr_variation(beats: np.ndarray) -> float:
    """Standard deviation of the RR intervals over their mean; NaN with fewer than three beats."""
    if len(beats) < 3:
        return float("nan")
    intervals = np.diff(beats)
    return float(intervals.std() / intervals.mean())


def _band_pass(signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    samples = signals.shape[-1]
    frequencies = np.fft.rfftfreq(2 * samples, 1 / sampling_rate)
    low, high = _BAND_HZ
    gain = 1 / np.sqrt(1 + (low / np.maximum(frequencies, 1e-6)) ** 6) / np.sqrt(1 + (frequencies / high) ** 6)
    mirrored = np.concatenate([signals, signals[..., ::-1]], axis=-1)
    return np.fft.irfft(np.fft.rfft(mirrored) * gain, n=2 * samples)[..., :samples].astype(np.float32)


def _moving_average(signals: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(signals, ((0, 0), (width // 2 + 1, width - width // 2 - 1)), mode="edge")
    total = np.cumsum(padded, axis=-1, dtype=np.float64)
    return ((total[:, width:] - total[:, :-width]) / width).astype(np.float32)


def _beats_of_one(velocity: np.ndarray, magnitude: np.ndarray, sampling_rate: float) -> np.ndarray:
    samples = len(velocity)
    usual = _usual_peak(velocity, sampling_rate)
    rising = (velocity[1:-1] >= velocity[:-2]) & (velocity[1:-1] > velocity[2:])
    candidates = np.flatnonzero(rising) + 1
    candidates = candidates[velocity[candidates] > _THRESHOLD * usual]
    kept: list[int] = []
    for peak in candidates[np.argsort(-velocity[candidates], kind="stable")]:
        if all(abs(peak - other) >= _REFRACTORY_S * sampling_rate for other in kept):
            kept.append(int(peak))
    reach = max(1, round(_PEAK_REACH_S * sampling_rate))
    times = [_parabolic_peak(magnitude, max(0, p - reach), min(samples, p + reach + 1)) for p in sorted(kept)]
    return np.asarray(times, dtype=np.float64) / sampling_rate


def _usual_peak(velocity: np.ndarray, sampling_rate: float) -> float:
    """Median of the greatest velocity in windows of 1.5 s: a stray spike moves it little."""
    window = max(1, min(len(velocity), round(1.5 * sampling_rate)))
    whole = velocity[: len(velocity) // window * window].reshape(-1, window)
    return float(np.median(whole.max(axis=1)))


def _parabolic_peak(values: np.ndarray, start: int, stop: int) -> float:
    top = start + int(np.argmax(values[start:stop]))
    if not 0 < top < len(values) - 1:
        return float(top)
    before, at, after = (float(v) for v in values[top - 1 : top + 2])
    bend = before - 2 * at + after
    return top + (0.5 * (before - after) / bend if bend < 0 else 0.0)
