"""Beat times meet the heart rate that was asked for, whatever the intervals' pattern."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.beats import heart_rate
from ecgsdk.errors import ModelError
from ecgsdk.models import find_model
from ecgsdk.rhythm import MOST_BEATS, draw_beats, match_variation, open_rhythm, place_beats


@pytest.mark.parametrize("rate", [40.0, 60.0, 97.0, 150.0])
def test_even_intervals_come_out_at_the_rate(rate):
    beats = place_beats(np.ones((1, MOST_BEATS)), np.array([rate]), np.array([0.25]), 10.0)[0]
    beats = beats[~np.isnan(beats)]
    assert beats[0] == pytest.approx(0.75 * 60 / rate)
    assert np.diff(beats) == pytest.approx(60 / rate)
    assert beats[-1] < 10 <= beats[-1] + 60 / rate


def test_uneven_intervals_keep_the_mean_rate():
    random = np.random.default_rng(3)
    ratios = np.exp(0.25 * random.standard_normal((200, MOST_BEATS)))
    rates = random.uniform(45, 140, 200)
    beats = place_beats(ratios, rates, random.random(200), 10.0)
    assert (np.isnan(beats).sum(axis=1) > 0).all()
    measured = np.array([heart_rate(row[~np.isnan(row)]) for row in beats])
    assert np.median(np.abs(measured - rates)) < 0.5
    assert np.nanmin(np.diff(beats)) >= 0.26 - 1e-9


def test_intervals_are_those_that_the_graph_draws():
    given = []

    def draw(feed):
        given.append(feed)
        long = np.arange(len(feed["normal"])) % 2 > 0  # a short interval is followed by a long one
        return [np.tile(np.where(long, np.log(1.2), np.log(0.8)).astype(np.float32)[:, None], 2)]

    drawn = draw_beats(
        draw,
        np.zeros((2, 3), np.float32),
        np.array([60.0, 75.0]),
        np.array([0.2, 0.2]),
        np.full((2, MOST_BEATS + 1), 0.5),
        np.zeros((2, MOST_BEATS)),
        10.0,
    )
    intervals = np.diff(drawn[0][~np.isnan(drawn[0])])
    pairs = len(intervals) // 2 * 2
    assert intervals[:pairs:2] / intervals[1:pairs:2] == pytest.approx(1.5, rel=5e-3)
    assert {name: values.shape for name, values in given[0].items() if name != "condition"} == {
        "uniform": (18, 2),  # as many as the faster record may need
        "normal": (18, 2),
    }


def test_a_records_beats_do_not_depend_on_its_neighbours():
    def draw(feed):
        return [0.2 * feed["normal"]]

    random = np.random.default_rng(4)
    facts = (
        np.zeros((3, 3), np.float32),
        np.array([45.0, 70.0, 160.0]),
        np.full(3, 0.2),
        random.random((3, MOST_BEATS + 1)),
        random.standard_normal((3, MOST_BEATS)),
    )
    together = draw_beats(draw, *facts, 10.0)
    for record in range(3):
        alone = draw_beats(draw, *(values[record : record + 1] for values in facts), 10.0)
        np.testing.assert_array_equal(alone[0], together[record])


def test_intervals_are_brought_to_the_variation_asked_for():
    random = np.random.default_rng(5)
    ratios = np.exp(0.1 * random.standard_normal((50, MOST_BEATS)))
    within = np.tile(np.arange(MOST_BEATS) < 12, (50, 1))
    for asked in (0.03, 0.11):
        matched = match_variation(ratios, within, np.full(50, asked))[:, :12]
        assert np.median(matched.std(axis=1) / matched.mean(axis=1)) == pytest.approx(asked, rel=0.1)


def test_nearly_even_intervals_are_not_blown_up():
    ratios = np.exp(0.01 * np.random.default_rng(6).standard_normal((9, MOST_BEATS)))
    matched = match_variation(ratios, np.ones_like(ratios, dtype=bool), np.full(9, 0.3))
    assert (matched.std(axis=1) < 1.6 * ratios.std(axis=1)).all()


def test_a_graph_that_is_not_one_of_intervals_is_refused(monkeypatch):
    model = find_model()
    decoder = model.graph("decoder")
    monkeypatch.setattr(type(model), "graph", lambda self, name: decoder)
    with pytest.raises(ModelError, match="of an earlier ecgsdk; export the model again"):
        open_rhythm(model)
