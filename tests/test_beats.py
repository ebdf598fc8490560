"""Beat times from signals: against known pulse trains, real records and cardiologists' annotations."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.beats import detect_beats, heart_rate, rr_variation
from ecgsdk.readers.ptbxl import read_ptbxl
from ecgsdk.readers.wfdb import read_wfdb


def pulses(times, *, sampling_rate=100, seconds=10, leads=12):
    t = np.arange(seconds * sampling_rate) / sampling_rate
    one = sum(np.exp(-0.5 * ((t - time) / 0.02) ** 2) for time in times)
    return np.tile(one, (1, leads, 1)).astype(np.float32)


def test_pulses_are_found_between_samples():
    times = np.arange(0.503, 10, 0.771)
    found = detect_beats(pulses(times), 100)[0]
    assert found == pytest.approx(times, abs=0.003)
    assert heart_rate(found) == pytest.approx(60 / 0.771, abs=0.1)
    assert rr_variation(found) < 0.005


def test_a_flat_record_has_no_beats():
    found = detect_beats(np.zeros((1, 12, 1000), np.float32), 100)[0]
    assert len(found) == 0
    assert np.isnan(heart_rate(found))
    assert np.isnan(rr_variation(found))


def test_both_rates_of_a_real_record_tell_the_same_beats(ptbxl_folder):
    coarse, fine = (
        detect_beats(next(read_ptbxl(ptbxl_folder, sampling_rate=rate).batches()).signals, rate) for rate in (100, 500)
    )
    for at_100, at_500 in zip(coarse, fine, strict=True):
        assert len(at_100) == len(at_500)
        # PTB-XL's signals at 100 Hz run 1.2 ms ahead of those at 500 Hz, and go on for 0.1 s after those stand still.
        whole = at_500 < 9.85
        assert at_100[whole] + 0.0012 == pytest.approx(at_500[whole], abs=0.015)
        assert 40 < heart_rate(at_100) < 180


@pytest.mark.parametrize("sampling_rate", [100, 500])
def test_two_leads_tell_the_rate_that_twelve_tell(ptbxl_folder, sampling_rate):
    signals = next(read_ptbxl(ptbxl_folder, sampling_rate=sampling_rate).batches()).signals
    twelve, two = (
        [heart_rate(beats) for beats in detect_beats(leads, sampling_rate)] for leads in (signals, signals[:, :2])
    )
    assert two == pytest.approx(twelve, rel=0.02)


def test_atrial_fibrillation_is_irregular(ptbxl_folder):
    batch = next(read_ptbxl(ptbxl_folder).batches())
    spread = {c.statements: rr_variation(b) for c, b in zip(batch.conditions, detect_beats(batch.signals, 100))}
    afib = next(value for statements, value in spread.items() if "AFIB" in statements)
    norm = next(value for statements, value in spread.items() if "NORM" in statements)
    assert afib > 3 * norm


def test_beats_agree_with_cardiologists(shared_data):
    wfdb = pytest.importorskip("wfdb")
    folder = shared_data / "ludb"
    names = [str(folder / "data" / str(k)) for k in range(1, 61)]
    hits = misses = extra = 0
    for name, batch in zip(names, read_wfdb(names).batches(1)):
        annotation = wfdb.rdann(name, "ii")
        marked = [s / 500 for s, symbol in zip(annotation.sample, annotation.symbol) if symbol == "N"]
        found = detect_beats(batch.signals, 500)[0]
        found = found[(found > marked[0] - 0.15) & (found < marked[-1] + 0.15)]
        near = [bool(np.any(np.abs(found - time) < 0.1)) for time in marked]
        hits, misses = hits + sum(near), misses + near.count(False)
        extra += max(0, len(found) - sum(near))
    assert misses / (hits + misses) < 0.005
    assert extra / (hits + misses) < 0.01
