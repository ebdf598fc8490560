"""The privacy audit on drawn clouds whose answer is known: copies are caught, independent draws are not."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.leads import to_eight, to_twelve
from ecgsdk.validation.privacy import attacks, neighbours
from ecgsdk.validation.privacy.attacks import Attempt, best, excess, isolated, log_density_ratio, true_positive_rate
from ecgsdk.validation.privacy.audit import audit, kin, planted_copies, section
from ecgsdk.validation.privacy.memorisation import memorisation_ratio, nearer_share, share_interval
from ecgsdk.validation.privacy.neighbours import Neighbours, merge, nearest, shifted
from ecgsdk.validation.profile import Profile
from ecgsdk.validation.report.verdict import findings

DIMENSIONS = 40
FEWEST = dict(attacks.FEWEST)
SIZE = 300


def drawn(seed, n=SIZE):
    return np.random.default_rng(seed).normal(size=(n, DIMENSIONS)).astype(np.float32)


def profile(hidden):
    """Records of which features, beats and waveform are three linear views of the same hidden numbers."""
    random = np.random.default_rng(99)
    to_beat, to_wave = (random.normal(size=(DIMENSIONS, 8 * size)) for size in (88, 250))
    n, none = len(hidden), np.zeros((len(hidden), 1), dtype=np.float32)
    return Profile(
        conditions=(Condition(),) * n,
        features=hidden,
        spectra=none,
        correlations=none,
        beats=(hidden @ to_beat).reshape(n, 8, 88).astype(np.float32),
        coarse=(hidden @ to_wave).reshape(n, 8, 250).astype(np.float32),
        figures={},
        residuals=none[:, 0],
    )


def jittered(hidden, seed, scale=0.05):
    return hidden + scale * drawn(seed, len(hidden))


MEMBERS, OTHERS, SYNTHETIC, REFERENCE = drawn(1), drawn(2), drawn(3, 2 * SIZE), drawn(4, 2 * SIZE)


@pytest.fixture(scope="module", autouse=True)
def _fewer_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attacks, "_ROUNDS", 80)
        patch.setitem(attacks.FEWEST, "isolated", 20)
        yield


@pytest.fixture(scope="module")
def clean():
    """The section on a generator that draws from the same distribution and knows no member."""
    copies = profile(jittered(MEMBERS[:30], 5))
    return section(profile(MEMBERS), profile(OTHERS), profile(SYNTHETIC), profile(REFERENCE), control=copies)


@pytest.fixture(scope="module")
def leaking():
    """The section on a generator that gives two jittered copies of each member."""
    made = np.concatenate([jittered(MEMBERS, 6), jittered(MEMBERS, 7)])
    return section(profile(MEMBERS), profile(OTHERS), profile(made), profile(REFERENCE))


class TestSection:
    def test_independent_draws_give_nothing_away(self, clean):
        headline = clean.measure("membership_auc")
        assert headline.value == pytest.approx(headline.floor, abs=0.06)
        assert headline.value < 0.6
        apart = clean.measure("membership_auc_excess")
        assert apart.low < 0 < apart.high
        assert clean.measure("membership_auc_excess_isolated").n == 60
        assert clean.measure("membership_tpr_1").value < 6
        assert clean.measure("memorisation_ratio").value == 0
        assert clean.measure("nearer_to_members").value == pytest.approx(50, abs=5)

    def test_copies_are_caught(self, leaking):
        assert leaking.measure("membership_auc").value > 0.99
        assert leaking.measure("membership_auc").floor < 0.6
        assert leaking.measure("membership_auc_excess").low > 0.3
        assert leaking.measure("membership_tpr_1").value > 95
        assert leaking.measure("membership_auc_isolated").value > 0.99
        assert leaking.measure("memorisation_ratio").value > 90
        assert leaking.measure("memorisation_ratio").floor == 0
        assert leaking.measure("nearer_to_members").value > 99

    def test_every_attack_in_every_view_catches_copies(self, leaking):
        rows = [row for row in leaking.tables[0].rows if row[0] == "all"]
        assert {row[1:3] for row in rows} >= {("median beat", "density"), ("all views", "combined")}
        assert len(rows) == 13
        assert all(row[3] > 0.95 for row in rows)

    def test_the_planted_leak_shows_the_power_of_the_audit(self, clean):
        assert clean.measure("leak_control_tpr_1").value == pytest.approx(11, abs=3)
        assert clean.measure("leak_control_found").value > 95
        assert clean.measure("leak_control_auc").value > clean.measure("membership_auc").value
        assert "would show" in clean.notes[-1]

    def test_a_leak_that_is_not_found_takes_the_audit_its_word(self):
        control = profile(drawn(8, 30))
        found = section(profile(MEMBERS), profile(OTHERS), profile(SYNTHETIC), profile(REFERENCE), control=control)
        assert found.measure("leak_control_found").value < 20
        assert "no power" in found.notes[-1]

    def test_a_leak_that_too_few_records_hide_is_not_measured_and_clears_nothing(self):
        few = [profile(hidden[:90]) for hidden in (MEMBERS, OTHERS, SYNTHETIC)]
        found = section(*few, profile(REFERENCE), control=profile(jittered(MEMBERS[:9], 5)))
        assert found.measure("leak_control_found").value is None
        assert "It was not measured whether the audit finds the copies" in found.notes[-1]
        assert "misses" not in found.notes[-1]
        failure, _ = found.failures
        assert failure.what == "membership inference"
        assert failure.why == (
            "90 training and 90 held-out records are too few to tell chance from a leak, 100 of each are needed; give "
            "more real ECGs"
        )
        told = findings([found])
        assert {finding.level for finding in told} == {"unknown"}
        assert any("whether the attacks would find a leak" in finding.text for finding in told)
        assert all(found.measure(name).value is None for name in ("membership_auc", "membership_auc_excess"))
        assert [table.name for table in found.tables] == ["memorisation", "distance_to_closest_record"]
        assert found.charts == ()

    def test_of_few_isolated_records_no_leak_is_read_however_clear_it_looks(self, monkeypatch):
        """The tenth of 300 members and 110 held-out records, copies of all members: sure, and not of enough records."""
        monkeypatch.setitem(attacks.FEWEST, "isolated", FEWEST["isolated"])
        made = np.concatenate([jittered(MEMBERS, 6), jittered(MEMBERS, 7)])
        found = section(*(profile(hidden) for hidden in (MEMBERS, OTHERS[:110], made, REFERENCE)))
        assert found.measure("membership_auc_excess").value > 0.3
        assert found.measure("membership_auc_excess_isolated").value is None
        assert found.measure("membership_auc_isolated").value is None
        (failure,) = found.failures
        assert failure.what == "membership inference, most isolated records"
        assert "held-out records of the tenth that lies farthest from other real records are too few" in failure.why
        assert "50 of each are needed" in failure.why
        assert not any("unusual" in finding.text for finding in findings([found]))
        assert {row[0] for row in found.tables[0].rows} == {"all"}

    def test_without_a_control_the_power_is_not_known(self, leaking):
        assert leaking.measure("leak_control_tpr_1") is None
        assert "not known" in leaking.notes[-1]

    def test_rates_below_the_resolution_are_not_given(self, clean):
        assert clean.measure("membership_tpr_01").value is None
        assert "fewer than one over" in clean.measure("membership_tpr_01").about
        assert "one in 300" in clean.notes[0]

    def test_records_without_a_median_beat_are_left_out_of_that_view_and_counted(self):
        parts = [profile(hidden) for hidden in (MEMBERS, OTHERS, SYNTHETIC, REFERENCE)]
        beatless = [replace(part, beats=part.beats.copy()) for part in parts]
        for part in beatless:
            part.beats[:7] = np.nan
        found = section(*beatless)
        assert any(note.startswith("Tested records without a median beat") and "14" in note for note in found.notes)
        assert found.measure("membership_auc").value < 0.6

    def test_an_interval_holds_its_figure(self, clean, leaking):
        measures = [m for one in (clean, leaking) for m in one.measures if m.low is not None]
        assert len(measures) > 8
        assert all(m.low <= m.value <= m.high for m in measures)

    def test_the_same_seed_gives_the_same_section(self, leaking):
        made = np.concatenate([jittered(MEMBERS, 6), jittered(MEMBERS, 7)])
        again = section(profile(MEMBERS), profile(OTHERS), profile(made), profile(REFERENCE))
        assert replace(again, seconds=0) == replace(leaking, seconds=0)

    def test_it_is_plain_data(self, clean):
        assert json.loads(json.dumps(asdict(clean), allow_nan=False))["name"] == "privacy"

    def test_the_chart_has_a_curve_for_attack_floor_and_leak(self, clean):
        (chart,) = clean.charts
        assert [series.name for series in chart.series][2:] == ["floor", "planted leak"]
        assert chart.log_x
        assert chart.log_y
        assert all(series.y[-1] == 1 for series in chart.series)
        assert all(y is None or y > 0 for series in chart.series for y in series.y)

    def test_too_few_records_are_a_failure_not_a_figure(self):
        few = profile(drawn(1, 20))
        found = section(few, profile(OTHERS), profile(SYNTHETIC), profile(REFERENCE))
        assert not found.measures
        assert "20 members" in found.failures[0].why


class TestKin:
    def test_other_recordings_of_a_tested_person_are_left_out_of_the_reference(self):
        reference = np.concatenate([REFERENCE, jittered(MEMBERS[:40], 9, 0.2), jittered(OTHERS[:5], 10, 0.2)])
        found = audit(profile(MEMBERS), profile(OTHERS), profile(SYNTHETIC), profile(reference))
        assert found.relatives >= 45
        assert found.has_kin[:40].all()
        assert found.has_kin[SIZE : SIZE + 5].all()
        without = audit(profile(MEMBERS), profile(OTHERS), profile(SYNTHETIC), profile(REFERENCE))
        assert without.relatives < 10

    def test_two_recordings_of_one_person_are_both_found(self):
        tested = {"features": MEMBERS, "beats": MEMBERS}
        both = np.concatenate([REFERENCE, MEMBERS[:1] + 0.05, MEMBERS[:1] - 0.05])
        positions, has_kin = kin(tested, {"features": both, "beats": both})
        assert {2 * SIZE, 2 * SIZE + 1} <= set(positions.tolist())
        assert has_kin[0]


class TestNeighbours:
    def test_are_those_of_all_pairs(self, monkeypatch):
        monkeypatch.setattr(neighbours, "_BLOCK_BYTES", 40_000)
        found = nearest(MEMBERS, REFERENCE, 4)
        distances = np.linalg.norm(MEMBERS[:, None] - REFERENCE[None], axis=2)
        assert np.array_equal(found.indices, np.argsort(distances, axis=1)[:, :4])
        assert found.distances == pytest.approx(np.sort(distances, axis=1)[:, :4], abs=1e-4)

    def test_records_that_are_no_number_have_none_and_are_none(self):
        records, others = MEMBERS[:3].copy(), REFERENCE[:5].copy()
        records[1, 0] = others[2, 3] = np.nan
        found = nearest(records, others, 5)
        assert np.isnan(found.distances[1]).all()
        assert np.isinf(found.distances[[0, 2], 4]).all()
        assert 2 not in found.indices[0, :4]

    def test_of_two_sets_are_merged(self):
        merged = merge(nearest(MEMBERS, REFERENCE[:250], 3), nearest(MEMBERS, REFERENCE[250:], 3), 250)
        whole = nearest(MEMBERS, REFERENCE, 3)
        assert np.array_equal(merged.indices, whole.indices)

    def test_a_copy_is_found_at_any_shift(self):
        waves = np.random.default_rng(0).normal(size=(6, 8, 250)).astype(np.float32)
        records = np.roll(waves, 77, axis=-1).reshape(6, -1)
        candidates = np.array([[3, 1, 0, 3, 5, 2, 4]] * 6)
        found = shifted(records, waves.reshape(6, -1), candidates, 2)
        assert found.indices[:, 0].tolist() == list(range(6))
        assert found.distances[:, 0] == pytest.approx(np.zeros(6), abs=0.1)
        assert (found.distances[:, 1] > 40).all()
        assert (found.indices[:, 0] != found.indices[:, 1]).all()


class TestRates:
    def test_of_known_answers(self):
        labels = np.repeat([True, False], 100)
        scores = np.concatenate([np.arange(100) + 50.5, np.arange(100)])
        assert true_positive_rate(labels, scores, 0.01) == 0.52
        assert true_positive_rate(labels, scores, 0.5) == 1.0
        assert true_positive_rate(labels, np.zeros(200), 0.01) == 0.0
        assert math.isnan(true_positive_rate(labels, scores, 0.001))

    def test_weights_count_records_several_times(self):
        labels, scores = np.repeat([True, False], 100), np.concatenate([np.arange(100) + 50.5, np.arange(100)])
        weights = np.ones(200)
        weights[99] = 101
        assert true_positive_rate(labels, scores, 0.01, weights) == pytest.approx(152 / 200)

    def test_the_most_isolated_tenth_is_chosen_by_one_bound(self):
        chosen = isolated(np.arange(100.0))
        assert chosen.tolist() == [False] * 90 + [True] * 10
        assert isolated(np.array([1.0, np.nan, 2.0])).tolist() == [False, False, True]

    def test_the_best_attack_is_chosen_by_what_is_asked(self):
        labels = np.repeat([True, False], 100)
        wide = np.concatenate([np.arange(100) + 40.0, np.arange(100)])
        sure = np.concatenate([np.repeat([200.0, 0.0], 50), np.arange(100)])
        tried = [Attempt(name, "all", labels, values, ~labels) for name, values in (("wide", wide), ("sure", sure))]
        assert best(tried, "random").attack == "wide"
        assert best(tried, "random", 0.01).attack == "sure"
        assert best(tried, "isolated") is None

    @pytest.mark.parametrize(("members", "others", "tells"), [(50, 50, True), (200, 49, False), (49, 200, False)])
    def test_an_attack_is_scored_on_enough_of_both_kinds(self, members, others, tells, monkeypatch):
        monkeypatch.setitem(attacks.FEWEST, "isolated", FEWEST["isolated"])
        labels = np.repeat([True, False], [members, others])
        attempt = Attempt("any", "all", labels, labels.astype(float), np.ones(len(labels), dtype=bool))
        assert attempt.counts("isolated") == (members, others)
        assert attempt.tells("isolated") is tells
        assert (best([attempt], "isolated") is not None) is tells
        assert best([attempt], "random") is None

    def test_an_attack_is_no_better_than_itself(self):
        attempt = Attempt("any", "all", np.arange(60) % 2 > 0, drawn(1, 60)[:, 0].astype(float), np.ones(60, bool))
        assert excess(attempt, attempt, "random", 0) == excess(attempt, attempt, "isolated", 0) == (0, 0, 0)

    def test_the_density_ratio_is_nought_for_equal_distances_and_grows_nearer(self):
        distances = np.sort(np.abs(drawn(2, 50).astype(float)) + 0.5, axis=1)
        assert log_density_ratio(distances, distances) == pytest.approx(np.zeros(50))
        assert (log_density_ratio(distances / 2, distances) > 0).all()
        assert np.isfinite(log_density_ratio(1e3 * distances, distances)).all()


class TestMemorisation:
    def test_ratio_counts_records_with_one_neighbour_thrice_as_near_as_the_next(self):
        distances = np.array([[0.3, 1.0], [0.34, 1.0], [0.0, 0.5], [0.4, 0.5]])
        assert memorisation_ratio(Neighbours(distances, np.zeros((4, 2), dtype=int))) == 0.5
        assert math.isnan(memorisation_ratio(Neighbours(np.zeros((0, 2)), np.zeros((0, 2), dtype=int))))

    def test_share_nearer_takes_equally_many_of_both_and_halves_ties(self):
        records = np.array([[0.0], [1.0], [9.0], [5.0]], dtype=np.float32)
        members, others = (np.array(x, dtype=np.float32)[:, None] for x in ([0, 2, 5.5], [10, 4.5, 0.5, 0.0]))
        assert nearer_share(records, members, others) == pytest.approx((1 + 0 + 0 + 0.5) / 4)

    def test_interval_of_a_share_is_wilsons(self):
        low, high = share_interval(0.5, 100)
        assert (low, high) == pytest.approx((0.404, 0.596), abs=1e-3)
        assert all(math.isnan(end) for end in share_interval(math.nan, 10))


class TestPlantedCopies:
    def test_are_near_their_originals_and_not_the_same(self, real_batch):
        signals = real_batch.signals
        copies = planted_copies(signals, real_batch.sampling_rate, seed=0)
        assert (copies.shape, copies.dtype) == (signals.shape, signals.dtype)
        for original, copy in zip(signals, copies):
            correlations = [
                np.corrcoef(np.roll(original, k, axis=-1).ravel(), copy.ravel())[0, 1] for k in range(-10, 11)
            ]
            assert 0.9 < max(correlations) < 0.99999

    def test_keep_the_lead_equations(self, real_batch):
        copies = planted_copies(real_batch.signals, real_batch.sampling_rate, seed=1)
        assert copies == pytest.approx(to_twelve(to_eight(copies)), abs=1e-5)

    def test_of_the_same_seed_are_the_same(self, real_batch):
        one, two, three = (planted_copies(real_batch.signals, 100.0, seed=seed) for seed in (3, 3, 4))
        assert np.array_equal(one, two)
        assert not np.array_equal(one, three)
