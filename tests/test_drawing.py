"""What a user leaves open is drawn from the card's histograms, and only that."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.drawing import (
    RandomStreams,
    Stream,
    draw_condition,
    draw_rr_variation,
    lots,
    noise,
    offsets,
    random_stream,
)

HISTOGRAMS = {
    "edges": {"heart_rate": [40, 60, 80, 100, 150], "age": [20, 50, 90], "rr_variation": [0, 0.05, 0.2]},
    "telling": {name: ["AFIB", "NORM"] for name in ("heart_rate", "age", "rr_variation", "sex")},
    "all": {"heart_rate": [10, 60, 20, 10], "age": [40, 60], "sex": [50, 50], "rr_variation": [70, 30]},
    "NORM": {"heart_rate": [0, 80, 20, 0], "age": [80, 20], "sex": [40, 60], "rr_variation": [95, 5]},
    "AFIB": {"heart_rate": [5, 30, 30, 35], "age": [0, 100], "sex": [90, 10], "rr_variation": [0, 100]},
}
LIMITS = {"heart_rate": (40.0, 150.0), "age": (20.0, 90.0)}


def draws(asked, n=400):
    return [draw_condition(asked, HISTOGRAMS, LIMITS, random_stream(1, i, 0)) for i in range(n)]


def test_what_is_asked_for_stays():
    drawn = draws(Condition(("AFIB",), 71.0, 33.0, "F"), 5)
    assert drawn == [Condition(("AFIB",), 71.0, 33.0, "F")] * 5


def test_spans_are_drawn_evenly():
    rates = [c.heart_rate for c in draws(Condition((), (50.0, 70.0)))]
    assert min(rates) >= 50
    assert max(rates) <= 70
    assert np.mean(rates) == pytest.approx(60, abs=1)


def test_the_histograms_of_the_statement_are_followed():
    drawn = draws(Condition(("AFIB",)))
    assert np.mean([c.heart_rate > 100 for c in drawn]) == pytest.approx(0.35, abs=0.06)
    assert np.mean([c.age >= 50 for c in drawn]) > 0.99
    assert np.mean([c.sex == "M" for c in drawn]) == pytest.approx(0.9, abs=0.04)


def test_a_sinus_rhythm_that_is_not_called_slow_or_fast_is_neither():
    assert all(50 <= c.heart_rate <= 100 for c in draws(Condition(("NORM",))))


def test_slow_and_fast_sinus_rhythms_are():
    tables = {**HISTOGRAMS, "SBRAD": HISTOGRAMS["NORM"], "STACH": HISTOGRAMS["AFIB"], "PACE": HISTOGRAMS["NORM"]}
    tables["telling"] = {name: ["SBRAD", "STACH", "PACE"] for name in HISTOGRAMS["telling"]}
    for codes, low, high in ((("SBRAD",), 40, 60), (("STACH",), 100, 150), (("SBRAD", "PACE"), 40, 60)):
        drawn = [draw_condition(Condition(codes), tables, LIMITS, random_stream(3, i, 0)) for i in range(60)]
        assert all(low <= c.heart_rate <= high for c in drawn), codes


def test_what_is_asked_for_is_not_rounded():
    assert draws(Condition(("NORM",), 72.55, 33.333), 1)[0].heart_rate == 72.55
    assert 60.01 <= draws(Condition((), (60.01, 60.04)), 1)[0].heart_rate <= 60.04


def test_asking_for_the_age_does_not_change_the_heart_rate():
    free, aged = draws(Condition(("NORM",)), 9), draws(Condition(("NORM",), None, 30.0), 9)
    assert [c.heart_rate for c in free] == [c.heart_rate for c in aged]


def test_the_rr_variation_is_that_of_the_statement():
    evenly = np.linspace(0, 1, 101)[:-1]
    afib = [draw_rr_variation(Condition(("AFIB",)), HISTOGRAMS, u) for u in evenly]
    norm = [draw_rr_variation(Condition(("NORM",)), HISTOGRAMS, u) for u in evenly]
    assert np.mean(np.array(afib) > 0.05) > 0.98
    assert np.median(norm) == pytest.approx(0.026, abs=0.002)
    assert min(norm) >= 0
    assert max(afib) <= 0.2


def test_streams_differ_by_seed_record_and_purpose():
    numbers = {random_stream(s, r, p).random() for s in (0, 1) for r in (0, 1) for p in (0, 1)}
    assert len(numbers) == 8
    assert random_stream(7, 8, 9).random() == random_stream(7, 8, 9).random()


def test_one_generator_set_anew_gives_the_numbers_of_each_stream():
    streams = RandomStreams(2**64 - 1, Stream.LATENT)
    for record in (5, 0, 2**63, 5):
        found, expected = streams.of(record), random_stream(2**64 - 1, record, Stream.LATENT)
        assert found.random() == expected.random()
        # An odd number of single-precision numbers leaves half a word behind, which the next record must not get.
        numbers = (stream.standard_normal(3, dtype=np.float32) for stream in (found, expected))
        np.testing.assert_array_equal(*numbers)


def test_noise_is_the_normal_quantile_of_each_16_bits_of_a_record_s_stream():
    words = random_stream(3, 9, Stream.DECODER).bit_generator.random_raw(3)
    pieces = [int(word) >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)][:10]
    expected = [NormalDist().inv_cdf((piece + 0.5) / 65536) for piece in pieces]
    found = noise(3, [4, 9], Stream.DECODER, (2, 5))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[1].ravel(), expected, atol=1e-3)
    assert noise(3, [], Stream.DECODER, (2, 5)).shape == (0, 2, 5)


def test_noise_is_standard_normal():
    """Moments to within four standard errors of 400,000 numbers; a fourth moment of 3."""
    found = noise(0, range(40), Stream.LATENT, (100, 100)).astype(float)
    for power, moment, error in ((1, 0, 1), (2, 1, 2**0.5), (3, 0, 15**0.5), (4, 3, 96**0.5)):
        assert (found**power).mean() == pytest.approx(moment, abs=4 * error / 632)
    along = found.reshape(40, -1)
    assert abs((along[:, 1:] * along[:, :-1]).mean()) < 4 / 632


def test_records_begin_at_every_sample_below_equally_often():
    found = offsets(7, range(4000), 8, 15)
    assert found.dtype == np.int64
    assert np.unique(found).tolist() == list(range(8, 16))
    assert np.bincount(found)[8:].min() > 430
    assert (offsets(7, range(100, 120), 8, 15) == found[100:120]).all()
    assert (offsets(7, range(9), 0, 0) == 0).all()


def test_candidates_have_noise_of_their_own_the_first_that_of_a_single_one():
    drawn = [noise(3, range(4), Stream.LATENT, (2, 5), candidate) for candidate in range(3)]
    assert np.array_equal(drawn[0], noise(3, range(4), Stream.LATENT, (2, 5)))
    assert len({part.tobytes() for part in drawn}) == 3
    assert np.array_equal(drawn[2][1:3], noise(3, range(1, 3), Stream.LATENT, (2, 5), 2))
    assert not np.array_equal(offsets(3, range(64), 8, 15, 0), offsets(3, range(64), 8, 15, 1))


def test_lots_fall_on_each_candidate_as_often_as_its_weight_has_it():
    weights = np.array([0.5, 0.3, 0.2])
    chosen = (lots(1, range(20_000), 3) + np.log(weights)).argmax(axis=1)
    assert np.bincount(chosen) / len(chosen) == pytest.approx(weights, abs=0.015)
    assert np.array_equal(lots(1, range(5, 9), 3), lots(1, range(20), 3)[5:9])
