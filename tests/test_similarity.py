"""Paired figures: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.validation.similarity import cosine, rmse, without_baseline

RATE = 100.0
TIME = np.arange(1000) / RATE


def test_an_offset_is_its_own_rmse():
    signals = np.random.default_rng(0).normal(size=(3, 12, 50))
    assert rmse(signals, signals + 0.25) == pytest.approx([0.25] * 3)


def test_rmse_of_a_record_is_the_root_of_the_leads_mean_square():
    first, second = np.random.default_rng(1).normal(size=(2, 12, 50))
    by_lead = rmse(first, second, axis=-1)
    assert rmse(first, second) == pytest.approx(np.sqrt(np.mean(by_lead**2)))


def test_cosine_does_not_depend_on_the_size_but_on_the_form():
    first = np.sin(2 * np.pi * TIME)[None]
    assert cosine(first, 4 * first) == pytest.approx(1)
    assert cosine(first, -first) == pytest.approx(-1)
    assert cosine(first, np.cos(2 * np.pi * TIME)[None]) == pytest.approx(0, abs=1e-9)


def test_a_flat_signal_has_no_cosine():
    assert np.isnan(cosine(np.zeros((12, 10)), np.ones((12, 10))))


def test_noise_of_a_tenth_of_the_signal_costs_half_a_per_cent_of_cosine():
    random = np.random.default_rng(2)
    signals = random.normal(size=(12, 100_000))
    noisy = signals + 0.1 * random.normal(size=signals.shape)
    assert cosine(signals, noisy) == pytest.approx(1 / np.sqrt(1.01), abs=1e-4)


@pytest.mark.parametrize(("frequency", "kept"), [(0.1, 0.0), (0.2, 0.0), (1.0, 1.0), (10.0, 1.0)])
def test_slow_waves_are_removed_and_fast_ones_kept_in_place(frequency, kept):
    wave = np.cos(2 * np.pi * frequency * TIME)
    left = without_baseline(wave, RATE)[100:-100]
    assert np.abs(left - kept * wave[100:-100]).max() < 0.03


def test_a_constant_is_all_baseline():
    assert np.abs(without_baseline(np.full((2, 3, 1000), 1.5), RATE)).max() < 1e-9
