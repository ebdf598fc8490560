"""Rounding to 16 bits that keeps the lead equations."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS, to_eight, to_twelve
from ecgsdk.writers.quantise import quantise

SIGNALS = to_twelve(np.random.default_rng(5).normal(size=(4, 8, 500)).astype(np.float32))


@pytest.mark.parametrize("unit", [0.001, 0.005, 0.00488])
def test_lead_equations_hold_within_one_unit(unit: float) -> None:
    units = quantise(SIGNALS, unit)
    assert units.dtype == np.int16
    one, two, three, avr, avl, avf = np.moveaxis(units[:, :6].astype(int), 1, 0)
    np.testing.assert_array_equal(three, two - one)
    assert np.abs(one + three - two).max() == 0
    assert np.abs(2 * avr + one + two).max() <= 1
    assert np.abs(2 * avl - 2 * one + two).max() <= 1
    assert np.abs(2 * avf - 2 * two + one).max() <= 1
    assert np.abs(avr + avl + avf).max() <= 1


@pytest.mark.parametrize("derive", [True, False])
def test_rounding_is_to_the_nearest_unit(derive: bool) -> None:
    back = quantise(SIGNALS, 0.001, derive_leads=derive) * 0.001
    np.testing.assert_allclose(to_eight(back), to_eight(SIGNALS), atol=0.5005e-3)
    np.testing.assert_allclose(back, SIGNALS, atol=1.51e-3 if derive else 0.5005e-3)


def test_known_values() -> None:
    signals = np.zeros((1, 12, 2), dtype=np.float32)
    signals[0, :, 0] = 0.0104
    signals[0, LEADS.index("V1")] = (32.7674, -32.7674)
    plain = quantise(signals, 0.001, derive_leads=False)[0]
    assert plain[0].tolist() == [10, 0]
    assert plain[LEADS.index("V1")].tolist() == [32767, -32767]
    assert quantise(signals, 0.001)[0, :6, 0].tolist() == [10, 10, 0, -10, 5, 5]


@pytest.mark.parametrize("derive", [True, False])
@pytest.mark.parametrize("value", [32.7676, -32.768, 50.0, 3e38])
def test_what_16_bits_do_not_hold_is_refused(value: float, derive: bool) -> None:
    signals = np.zeros((3, 12, 4), dtype=np.float32)
    signals[1, LEADS.index("V1"), 2] = value
    with pytest.raises(WriteError, match=r"^record b: lead V1 goes beyond ±32.767 mV, .* or write NPZ$"):
        quantise(signals, 0.001, derive_leads=derive, identifiers="abc")


def test_a_derived_lead_may_be_too_large_alone() -> None:
    signals = np.zeros((1, 12, 1), dtype=np.float32)
    signals[0, :2, 0] = (-20.0, 20.0)
    with pytest.raises(WriteError, match="record 0: lead III goes beyond"):
        quantise(signals, 0.001)


def test_input_is_not_changed() -> None:
    before = SIGNALS.copy()
    quantise(SIGNALS, 0.001)
    quantise(SIGNALS, 0.001, derive_leads=False)
    np.testing.assert_array_equal(SIGNALS, before)
