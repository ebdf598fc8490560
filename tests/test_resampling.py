"""Resampling keeps what lies in the band, removes what does not, and makes no noise at the ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgsdk.errors import DataError
from ecgsdk.readers import read_ptbxl
from ecgsdk.resampling import resample, resampled_length

RATES = [(100, 500), (500, 100), (257, 500), (1000, 500), (360, 250), (128, 100), (499.5, 500)]


def sine(frequency: float, rate: float, samples: int, phase: float = 0.4) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(samples) / rate + phase)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
@pytest.mark.parametrize("frequency", [0.7, 8.0, 31.0])
def test_sine_below_nyquist_is_preserved(from_rate: float, to_rate: float, frequency: float) -> None:
    samples = round(10 * from_rate)
    resampled = resample(sine(frequency, from_rate, samples), from_rate, to_rate)
    expected = sine(frequency, to_rate, resampled_length(samples, from_rate, to_rate))
    inner = slice(round(to_rate / 2), -round(to_rate / 2))
    np.testing.assert_allclose(resampled[inner], expected[inner], atol=2e-4)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_slow_sine_is_preserved_to_the_very_ends(from_rate: float, to_rate: float) -> None:
    samples = round(10 * from_rate)
    resampled = resample(sine(0.7, from_rate, samples), from_rate, to_rate)
    expected = sine(0.7, to_rate, resampled_length(samples, from_rate, to_rate))
    np.testing.assert_allclose(resampled, expected, atol=1e-3)


def test_sine_above_the_new_nyquist_vanishes() -> None:
    resampled = resample(sine(60, 500, 5000), 500, 100)
    assert np.abs(resampled[50:-50]).max() < 2e-3


def test_constant_and_slope_are_exact() -> None:
    line = 3 + 0.25 * np.arange(1000) / 100
    np.testing.assert_allclose(resample(line, 100, 500), 3 + 0.25 * np.arange(5000) / 500, atol=1e-12)


def test_up_and_down_again_is_the_same_within_the_band() -> None:
    signal = sum(sine(frequency, 100, 1000, frequency) for frequency in (1, 3.3, 12, 29))
    there_and_back = resample(resample(signal, 100, 500), 500, 100)
    np.testing.assert_allclose(there_and_back[50:-50], signal[50:-50], atol=2e-3)


def test_shape_and_dtype_are_kept() -> None:
    signals = np.zeros((2, 12, 642), dtype=np.float32)
    resampled = resample(signals, 257, 500)
    assert (resampled.shape, resampled.dtype) == ((2, 12, 1249), np.float32)
    assert resample(signals, 257, 257) is signals
    assert resample(np.arange(3.0), 1000, 1).shape == (0,)


def test_spectrum_matches_the_published_100_hz_of_ptbxl(ptbxl_folder: Path) -> None:
    published = read_ptbxl(ptbxl_folder).read(range(6))
    ours = resample(read_ptbxl(ptbxl_folder, sampling_rate=500).read(range(6)), 500, 100)
    window = np.hanning(1000)
    power = [np.abs(np.fft.rfft(signals * window)).mean(axis=(0, 1)) for signals in (ours, published)]
    np.testing.assert_allclose(power[0][5:400], power[1][5:400], rtol=0.03)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(DataError, match="sampling rate"):
        resample(np.zeros(10), 100, rate)


def test_single_sample_is_refused() -> None:
    with pytest.raises(DataError, match="1 samples"):
        resample(np.zeros(1), 100, 200)
