"""Intervals, axis and amplitudes: of drawn ECGs whose answers are known, of real ones, and against cardiologists."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgsdk.leads import to_twelve
from ecgsdk.resampling import resample
from ecgsdk.validation.physiology.intervals import (
    BEAT_SAMPLES,
    FIGURES,
    MEASUREMENT_ERROR,
    P_PRESENT,
    R_PEAK,
    lead_figure,
    measure_records,
)
from ecgsdk.validation.physiology.median_beat import smooth, usual_beat

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
SHARES = np.array([0.6, 1.0, -0.4, 0.5, 0.8, 1.2, 1.0, 0.8])
R_MV, T_MV, P_MV = 1.2, 0.3, 0.15


def bump(times, centre, width):
    """A raised cosine that begins and ends `width` / 2 before and after `centre`."""
    away = np.clip((times - centre) / (width / 2), -1, 1)
    return (1 + np.cos(np.pi * away)) / 2


def drawn_ecg(*, rr=0.8, pr=0.16, qrs=0.1, p=P_MV, st=0.0, shares=SHARES, seconds=10, p_jitter=0.0, rate=500):
    """An ECG drawn from raised cosines at 500 Hz, with P waves of `p` mV and known intervals, in seconds."""
    random = np.random.default_rng(0)
    times = np.arange(seconds * 500) / 500
    lead = np.zeros_like(times)
    for onset in np.arange(0.5, seconds + 0.5, rr):
        lead += p * bump(times, onset - pr + 0.05 + random.uniform(-p_jitter, p_jitter), 0.1)
        lead += R_MV * bump(times, onset + qrs / 2, qrs)
        lead += T_MV * bump(times, onset + qrs + 0.3 * np.sqrt(rr) - 0.09, 0.18)
        lead += st * (bump(times, onset + qrs + 0.04, 0.16))
    noise = random.normal(scale=0.004, size=(8, len(times)))
    return resample(to_twelve(shares[:, None] * lead + noise), 500, rate)


def measured(signals, rate=500):
    """Figures of one ECG."""
    return {name: float(values[0]) for name, values in measure_records(signals[None], rate)[0].items()}


def test_every_figure_is_described_and_measured(real_batch):
    figures, beats = measure_records(real_batch.signals, real_batch.sampling_rate)
    assert list(figures) == list(FIGURES)
    assert all(values.dtype == np.float64 and values.shape == (6,) for values in figures.values())
    assert beats.dtype == np.float32
    assert beats.shape == (6, 8, BEAT_SAMPLES)
    assert all(figure.title and figure.about and "  " not in figure.about for figure in FIGURES.values())


@pytest.mark.parametrize("rate", [100, 250, 500])
@pytest.mark.parametrize(("rr", "pr", "qrs"), [(0.8, 0.16, 0.1), (1.1, 0.26, 0.1), (0.6, 0.15, 0.15), (1.0, 0.2, 0.16)])
def test_intervals_of_a_drawn_ecg(rate, rr, pr, qrs):
    found = measured(drawn_ecg(rr=rr, pr=pr, qrs=qrs, rate=rate), rate)
    qt = 1000 * (qrs + 0.3 * np.sqrt(rr))
    assert found["heart_rate"] == pytest.approx(60 / rr, abs=1)
    assert found["rr_variation"] < 0.02
    assert found["rr_successive"] < 0.03
    assert found["rr_shortest"] == pytest.approx(1, abs=0.03)
    assert found["rr_longest"] == pytest.approx(1, abs=0.03)
    assert found["qrs_ms"] == pytest.approx(1000 * qrs, abs=16)
    assert found["pr_ms"] == pytest.approx(1000 * pr, abs=20)
    assert found["qt_ms"] == pytest.approx(qt, abs=25)
    assert found["qtc_ms"] == pytest.approx(found["qt_ms"] * (found["heart_rate"] / 60) ** (1 / 3))
    assert found["qtc_bazett_ms"] == pytest.approx(found["qt_ms"] * (found["heart_rate"] / 60) ** 0.5)


def test_uneven_beats_have_their_rr_figures():
    beats = np.array([0.0, 1.0, 1.5, 2.5, 3.0])
    found = {k: v[0] for k, v in measure_records(np.zeros((1, 12, 500)), 100, beats=[beats])[0].items()}
    assert found["heart_rate"] == pytest.approx(80)
    assert found["rr_variation"] == pytest.approx(1 / 3)
    assert found["rr_successive"] == pytest.approx(2 / 3)
    assert found["rr_shortest"] == pytest.approx(2 / 3)
    assert found["rr_longest"] == pytest.approx(4 / 3)
    assert math.isnan(found["qrs_ms"])


@pytest.mark.parametrize("axis", [-150, -60, 0, 30, 90, 120, 180])
def test_axis_of_a_drawn_ecg(axis):
    shares = SHARES.copy()
    shares[:2] = math.cos(math.radians(axis)), math.cos(math.radians(axis - 60))
    assert (measured(drawn_ecg(shares=shares))["axis_deg"] - axis + 180) % 360 - 180 == pytest.approx(0, abs=2)


def test_no_axis_where_the_limb_leads_are_empty():
    shares = SHARES.copy()
    shares[:2] = 0.01
    assert math.isnan(measured(drawn_ecg(shares=shares))["axis_deg"])


def test_amplitudes_of_a_drawn_ecg():
    found = measured(drawn_ecg())
    assert found[lead_figure("r", "V4")] == pytest.approx(1.2 * R_MV, abs=0.03)
    assert found[lead_figure("s", "V4")] == pytest.approx(0, abs=0.03)
    assert found[lead_figure("s", "V1")] == pytest.approx(0.4 * R_MV, abs=0.03)
    assert found[lead_figure("r", "V1")] == pytest.approx(0, abs=0.03)
    assert found[lead_figure("t", "V4")] == pytest.approx(1.2 * T_MV, abs=0.03)
    assert found[lead_figure("t", "V1")] == pytest.approx(-0.4 * T_MV, abs=0.03)
    assert found[lead_figure("st", "V4")] == pytest.approx(0, abs=0.03)
    assert found["sokolow_lyon_mv"] == pytest.approx((0.4 + 1.0) * R_MV, abs=0.05)
    assert found["p_ii_mv"] == pytest.approx(P_MV, abs=0.03)


def test_st_elevation_is_seen():
    found = measured(drawn_ecg(st=0.2, rr=1.0))
    assert found[lead_figure("st", "V4")] == pytest.approx(1.2 * 0.2, abs=0.06)


def test_no_p_wave_no_pr():
    found = measured(drawn_ecg(p=0.0))
    assert found["p_presence"] < P_PRESENT
    assert math.isnan(found["pr_ms"])
    assert math.isnan(found["p_ii_mv"])
    assert found["qrs_ms"] == pytest.approx(100, abs=16)


def test_p_waves_count_only_at_a_steady_distance():
    assert measured(drawn_ecg(rr=1.0, pr=0.2))["p_presence"] > 0.9
    assert measured(drawn_ecg(rr=1.0, pr=0.28, p_jitter=0.15))["p_presence"] < P_PRESENT


def test_median_beats_are_handed_out_around_the_qrs():
    _, beats = measure_records(drawn_ecg(rate=100)[None], 100)
    assert abs(int(np.argmax(beats[0, 5])) - R_PEAK) <= 1
    assert beats[0, 5].max() == pytest.approx(1.2 * R_MV, abs=0.05)


@pytest.mark.parametrize("record", ["flat", "NaN"])
def test_what_cannot_be_measured_is_nan(record):
    signals = np.zeros((12, 1000), dtype=np.float32)
    if record == "NaN":
        signals = drawn_ecg(rate=100).astype(np.float32)
        signals[3, 7] = np.nan
    figures, beats = measure_records(signals[None], 100)
    assert all(math.isnan(values[0]) for values in figures.values())
    assert np.isnan(beats).all()


@pytest.mark.parametrize("beats", [[], [5.0], [3.0, 5.0], [0.0, 0.1, 0.2], [9.0, 9.5, 9.99]])
def test_too_few_beats_make_no_intervals(beats):
    figures, medians = measure_records(drawn_ecg()[None], 500, beats=[np.array(beats)])
    assert math.isnan(figures["qrs_ms"][0])
    assert math.isnan(figures["qt_ms"][0])
    assert np.isnan(medians).all()


@pytest.mark.parametrize("samples", [500, 777, 1000])
def test_disturbed_signals_are_measured_without_complaint(samples):
    random = np.random.default_rng(0)
    noise = random.normal(scale=0.05, size=(12, samples))
    spikes = np.zeros_like(noise)
    spikes[:, ::83] = 5.0
    steps = np.where(np.arange(samples) % 200 < 100, 3.0, -3.0) * np.ones((12, 1))
    one_beat = np.zeros_like(noise)
    one_beat[:, 250:255] = [0.1, 0.5, 1.0, 0.5, 0.1]
    wander = np.cumsum(noise, axis=1) * 20
    flat_leads = drawn_ecg(rate=100)[:, :samples] * (np.arange(12)[:, None] < 2)
    signals = np.stack([noise, noise + spikes, spikes, steps, one_beat, wander, 1e6 * noise, flat_leads])
    figures, _ = measure_records(signals, 100)
    assert figures["qrs_ms"][-1] == pytest.approx(100, abs=16)


def test_no_records_have_no_figures():
    figures, beats = measure_records(np.empty((0, 12, 1000)), 100)
    assert {values.shape for values in figures.values()} == {(0,)}
    assert beats.shape == (0, 8, BEAT_SAMPLES)


@pytest.mark.parametrize("seconds", [5, 10, 30])
def test_records_of_any_length(seconds):
    assert measured(drawn_ecg(seconds=seconds, rate=100), 100)["qrs_ms"] == pytest.approx(100, abs=16)


def test_a_record_does_not_depend_on_its_neighbours(real_batch):
    many = np.concatenate([real_batch.signals] * 7)
    figures, beats = measure_records(many, 100)
    alone, alone_beats = measure_records(real_batch.signals[2:3], 100)
    for at in (2, 38):
        assert np.array_equal(beats[at], alone_beats[0], equal_nan=True)
        assert all(np.array_equal(figures[name][at], alone[name][0], equal_nan=True) for name in FIGURES)


def test_intervals_of_real_ecgs_are_plausible(real_batch):
    figures, _ = measure_records(real_batch.signals, real_batch.sampling_rate)
    assert ((figures["heart_rate"] > 40) & (figures["heart_rate"] < 180)).all()
    assert ((figures["qrs_ms"] > 60) & (figures["qrs_ms"] < 200)).all()
    for name, figure in FIGURES.items():
        known = figures[name][np.isfinite(figures[name])]
        low, high = figure.plausible or (-math.inf, math.inf)
        assert ((known >= low) & (known <= high)).all(), name


def test_premature_beats_are_left_out_of_the_usual_beat():
    eight = drawn_ecg()[[0, 1, 6, 7, 8, 9, 10, 11]]
    odd = eight.copy()
    odd[:, 1040:1110] = -3 * eight[:, 1040:1110]
    times = np.arange(0.55, 9.5, 0.8)
    usual, disturbed = usual_beat(eight, times), usual_beat(odd, times)
    assert len(disturbed.single) == len(usual.single) - 1
    assert np.abs(disturbed.median - usual.median).max() < 0.02
    assert usual_beat(eight, times[:1]) is None


def test_smoothing_is_a_centred_mean():
    values = np.array([[0.0, 0, 0, 3, 0, 0, 0]])
    assert smooth(values, 3).tolist() == [[0, 0, 1, 1, 1, 0, 0]]
    assert smooth(np.full(5, 2.0), 4).tolist() == [2.0] * 5


@pytest.fixture
def ludb(monkeypatch):
    pytest.importorskip("wfdb")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import intervals_ludb

    yield intervals_ludb
    del sys.modules["intervals_ludb"]


def test_intervals_agree_with_cardiologists(ludb, shared_data):
    records = ludb.unpaced_records(shared_data / "ludb")[10:25]
    truths = [ludb.annotated(record) for record in records]
    ours = ludb.measured_at(records, 100)
    for name, bound in (("heart_rate", 1.5), ("qrs_ms", 12), ("pr_ms", 12), ("qt_ms", 15), ("qtc_ms", 15)):
        difference = np.abs(ours[name] - [truth[name] for truth in truths])
        assert np.count_nonzero(np.isfinite(difference)) > 10
        assert np.nanmedian(difference) < bound, name


@pytest.mark.slow
def test_the_stated_error_against_cardiologists_is_true(ludb, shared_data):
    records = ludb.unpaced_records(shared_data / "ludb")
    truths = [ludb.annotated(record) for record in records]
    ours = ludb.measured_at(records, 100)
    odd = np.array([int(record.stem) % 2 == 1 for record in records])
    for name, stated in MEASUREMENT_ERROR.items():
        chosen = odd if name in ("qt_ms", "qtc_ms") else np.ones(len(records), dtype=bool)
        theirs = np.array([truth[name] for truth in truths])[chosen]
        n, bias, sd, correlation, *_ = ludb.summary(ours[name][chosen], theirs)
        assert n == pytest.approx(stated.records, abs=2)
        assert bias == pytest.approx(stated.bias, abs=0.5)
        assert sd == pytest.approx(stated.sd, abs=0.5)
        assert correlation == pytest.approx(stated.correlation, abs=0.01)


def test_the_end_of_t_is_that_of_its_own_beat(ludb):
    qrs, late = ludb.Mark("N", 90, 100, 110), ludb.Mark("N", 490, 500, 510)
    t = ludb.Mark("t", 200, 250, 290)
    assert ludb.end_of_t([qrs, t, late], 100) == 290
    assert ludb.end_of_t([qrs, late, ludb.Mark("t", 600, 650, 690)], 100) is None
    assert ludb.end_of_t([qrs, ludb.Mark("N", 290, 300, 310), ludb.Mark("t", 400, 410, 420)], 100) is None
