"""Condition vectors and beat channels: the contract between training and generation."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.encoding import condition_width, encode_beats, encode_conditions

CODES = ("NORM", "AFIB", "LVH")


def test_a_full_condition():
    row = encode_conditions([Condition(("LVH", "STTC"), 75.0, 80.0, "F")], CODES)[0]
    assert len(row) == condition_width(CODES) == 10
    assert row == pytest.approx([1, 0, 0, 1, 1, 0, 1, 1, 0, 1])


def test_what_is_unknown_is_zero():
    assert not encode_conditions([Condition()], CODES).any()


def test_beat_channels_tell_time_since_and_until():
    beats = np.array([[1.0, 2.5, np.nan]])
    known, bump, since, until = encode_beats(beats, 125, 10.0)[0]
    assert (known == 1).all()
    assert np.flatnonzero(bump > 0.9).tolist() == [12, 31]  # centres 1.00 s and 2.52 s, 0.08 s apart
    assert bump[[12, 31]] == pytest.approx([1, np.exp(-0.5 * 0.25**2)], abs=1e-5)
    token = 25  # centre 2.04 s
    assert since[token] == pytest.approx(1.04, abs=1e-5)
    assert until[token] == pytest.approx(0.46, abs=1e-5)
    assert since[0] == 2.0
    assert until[-1] == 2.0
