"""Measured features against drawn beats whose widths, rates and amplitudes are known."""

from __future__ import annotations

import numpy as np
import pytest
from ecgsdk_classifiers.measurements import FEATURES, measure
from ecgsdk_classifiers.median_beats import BEFORE_S, median_beats, qrs_limits

from ecgsdk.leads import LEADS

RATE = 100.0


def of(signals: np.ndarray, name: str) -> np.ndarray:
    return measure(signals, RATE)[:, FEATURES.index(name)]


def beats_at(peaks: np.ndarray, qrs: float = 1.0, p: float = 0.15, width: float = 0.015) -> np.ndarray:
    """One record, all leads alike: P waves 0.16 s before the R peaks, T waves 0.3 s after."""
    times = np.arange(1000) / RATE
    lead = np.zeros(1000)
    for delay, spread, size in ((-0.16, 0.02, p), (0.0, width, qrs), (0.3, 0.04, 0.3)):
        lead += size * np.exp(-0.5 * ((times[:, None] - peaks - delay) / spread) ** 2).sum(axis=1)
    return np.tile(lead, (1, 12, 1)).astype(np.float32)


def test_each_feature_has_a_name_of_its_own() -> None:
    assert len(set(FEATURES)) == len(FEATURES)
    assert measure(beats_at(np.arange(0.5, 10, 0.8)), RATE).shape == (1, len(FEATURES))


def test_heart_rate_and_regularity() -> None:
    regular = beats_at(np.arange(0.5, 10, 0.8))
    assert of(regular, "heart_rate")[0] == pytest.approx(75, abs=0.3)
    assert of(regular, "rr_variation")[0] < 0.01
    assert of(regular, "premature")[0] == 0


def test_a_premature_beat_and_the_pause_after_it() -> None:
    peaks = np.arange(0.5, 10, 0.8)
    peaks[5] -= 0.3
    early = beats_at(peaks)
    assert of(early, "premature")[0] == 1
    assert of(early, "rr_before_earliest")[0] == pytest.approx(0.5 / 0.8, abs=0.03)
    assert of(early, "rr_after_earliest")[0] == pytest.approx(1.1 / 0.8, abs=0.03)
    assert of(early, "premature_alike")[0] == 1


def test_a_beat_of_another_form_is_unlike() -> None:
    peaks = np.arange(0.5, 10, 0.8)
    odd = beats_at(peaks[[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]]) + beats_at(peaks[4:5], qrs=-1.5, p=0, width=0.05)
    assert of(odd, "unlike")[0] == 1
    assert of(odd, "likeness_least")[0] < 0.5
    assert of(odd, "size_largest")[0] > 1.3


def test_amplitudes_of_r_p_and_t() -> None:
    signals = beats_at(np.arange(0.5, 10, 0.8))
    for name, size in (("r_II", 1.0), ("t_highest_V3", 0.3), ("p_highest_V1", 0.15)):
        assert of(signals, name)[0] == pytest.approx(size, abs=0.06), name


def test_the_p_wave_is_found_where_it_is() -> None:
    signals = beats_at(np.arange(0.5, 10, 0.8))
    assert of(signals, "p_peak")[0] - of(signals, "r_time_II")[0] == pytest.approx(-0.16, abs=0.02)


def test_broad_beats_measure_broader() -> None:
    peaks = np.arange(0.5, 10, 0.8)
    narrow, broad = (of(beats_at(peaks, width=width), "qrs_duration")[0] for width in (0.014, 0.035))
    assert broad > narrow + 0.06


def test_the_axis_is_that_of_the_areas() -> None:
    signals = beats_at(np.arange(0.5, 10, 0.8))
    signals[:, LEADS.index("I")] *= 0
    assert of(signals, "qrs_axis")[0] == pytest.approx(90, abs=1)


def test_p_waves_that_come_with_each_beat_are_common() -> None:
    peaks = np.arange(0.5, 10, 0.8)
    flutter = 0.1 * np.sin(2 * np.pi * 5.3 * np.arange(1000) / RATE).astype(np.float32)
    assert of(beats_at(peaks), "p_share_II")[0] > 0.9
    assert of(beats_at(peaks, p=0) + flutter, "p_share_II")[0] < 0.5


def test_a_record_is_measured_for_itself(drawn) -> None:
    signals, _ = drawn(5)
    alone = np.concatenate([measure(signals[i : i + 1], RATE) for i in range(5)])
    np.testing.assert_allclose(measure(signals, RATE), alone, rtol=1e-4, atol=1e-4)


def test_a_flat_record_has_no_beats() -> None:
    measured = measure(np.zeros((1, 12, 1000), dtype=np.float32), RATE)
    assert measured[0, FEATURES.index("beats")] == 0
    assert np.isnan(measured[0, FEATURES.index("qrs_duration")])


def test_the_limits_of_a_median_beat() -> None:
    peaks = np.arange(1.0, 9, 0.8)
    signals = beats_at(peaks, p=0)
    onset, offset = qrs_limits(median_beats(signals, [peaks], RATE).signals, RATE)
    assert onset[0] / RATE - BEFORE_S == pytest.approx(-0.035, abs=0.015)
    assert offset[0] / RATE - BEFORE_S == pytest.approx(0.035, abs=0.015)
