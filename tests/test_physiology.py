"""The physiology section: known answers of its mathematics, and what it says of sets whose differences are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.validation.physiology.figure_comparisons import (
    ALL,
    FAMILIES,
    Grouped,
    compare,
    family_of,
    median_agrees,
    shares_that_agree,
)
from ecgsdk.validation.physiology.intervals import FIGURES, MEASUREMENT_ERROR
from ecgsdk.validation.physiology.requested_rates import requested_rates
from ecgsdk.validation.physiology.section import section
from ecgsdk.validation.physiology.wasserstein import circular_centre, distance_and_floor, unwrapped, wasserstein_1
from ecgsdk.validation.profile import Profile
from ecgsdk.validation.results import Report

USUAL = {"heart_rate": (70, 10), "pr_ms": (160, 15), "qrs_ms": (95, 8), "qt_ms": (385, 20), "axis_deg": (40, 20)}


def profile(n, *, seed=0, conditions=None, residuals=0.0, **shifts):
    """A profile of drawn figures: normal around `USUAL`, or around 1, moved by `shifts`; groups take turns."""
    random = np.random.default_rng(seed)
    figures = {}
    for name in FIGURES:
        centre, spread = USUAL.get(name, (1.0, 0.1))
        figures[name] = random.normal(centre, spread, n) + shifts.get(name, 0.0)
    statements = [codes[0] for codes in GROUPS.values()]
    conditions = conditions or tuple(Condition((statements[i % 6],), heart_rate=70.0) for i in range(n))
    nothing = np.empty((n, 0), dtype=np.float32)
    return Profile(
        conditions, nothing, nothing, nothing, nothing, nothing, figures, np.full(n, residuals, dtype=np.float64)
    )


def table(found, name):
    return next(table for table in found.tables if table.name == name)


def row(found, name, first):
    return next(row for row in table(found, name).rows if row[0] == first)


def test_wasserstein_distance_of_known_answers():
    values = np.random.default_rng(0).normal(size=50)
    assert wasserstein_1(values, values[::-1]) == 0
    assert wasserstein_1(values, values + 3) == pytest.approx(3)
    assert wasserstein_1(values, values - 3) == pytest.approx(3)
    assert wasserstein_1(np.array([0.0]), np.array([1.0, 2.0, 6.0])) == pytest.approx(3)
    assert wasserstein_1(np.array([0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])) == 0
    assert wasserstein_1(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])) == pytest.approx(1 / 3)
    assert math.isnan(wasserstein_1(np.empty(0), values))


def test_wasserstein_distance_is_that_of_sorted_pairs():
    random = np.random.default_rng(1)
    first, second = random.normal(size=40), random.exponential(size=40)
    assert wasserstein_1(first, second) == pytest.approx(np.abs(np.sort(first) - np.sort(second)).mean())


def test_the_floor_is_the_distance_of_equal_sets():
    random = np.random.default_rng(0)
    real, alike = random.normal(size=1000), random.normal(size=3000)
    found = distance_and_floor(real, alike, np.random.default_rng(0))
    assert found.n == 500
    assert found.value == pytest.approx(found.floor, rel=0.5)
    moved = distance_and_floor(real, alike + 1, np.random.default_rng(0))
    assert moved.floor == found.floor
    assert moved.value == pytest.approx(1, abs=0.1)
    assert distance_and_floor(real, alike[:20], np.random.default_rng(0)).n == 20
    assert distance_and_floor(real[:9], alike, np.random.default_rng(0)) is None
    assert distance_and_floor(real, alike[:4], np.random.default_rng(0)) is None


def test_angles_are_taken_the_shorter_way_round():
    assert unwrapped(np.array([-170.0, 170.0, 0.0]), 175.0).tolist() == [190.0, 170.0, 0.0]
    assert circular_centre(np.array([170.0, -170.0])) == pytest.approx(180)
    assert circular_centre(np.empty(0)) == 0
    real, synthetic = profile(120, axis_deg=-40 + 175), profile(120, seed=1, axis_deg=-40 - 175)
    synthetic.figures["axis_deg"][:] = (synthetic.figures["axis_deg"] + 180) % 360 - 180
    real.figures["axis_deg"][:] = (real.figures["axis_deg"] + 180) % 360 - 180
    one = next(c for c in compare(Grouped.of(real), Grouped.of(synthetic)) if (c.figure, c.group) == ("axis_deg", ALL))
    assert one.difference == pytest.approx(10, abs=6)
    assert one.distance.value == pytest.approx(10, abs=6)


@pytest.mark.parametrize(
    ("figure", "real", "difference", "agrees"),
    [
        ("qrs_ms", 100, 10, True),
        ("qrs_ms", 100, -10.1, False),
        ("qtc_ms", 400, 20, True),
        ("qtc_ms", 400, 20.1, False),
        ("axis_deg", 40, -10, True),
        ("axis_deg", 400, 11, False),
        ("r_v5_mv", 0.2, 0.05, True),
        ("r_v5_mv", 2.0, 0.1, True),
        ("r_v5_mv", 2.0, -0.11, False),
    ],
)
def test_medians_agree_within_five_per_cent_or_what_can_be_read(figure, real, difference, agrees):
    assert median_agrees(figure, real, difference) is agrees


def test_figures_belong_to_the_kinds_that_are_counted():
    kinds = {name: family_of(name) for name in FIGURES}
    assert {kind for kind in kinds.values() if kind} == set(FAMILIES)
    assert kinds["r_v5_mv"] == "R"
    assert kinds["s_avl_mv"] == "S"
    assert {kinds[name] for name in ("st_v1_mv", "sokolow_lyon_mv", "rr_variation", "qt_ms")} == {None}


def test_records_are_in_the_groups_of_their_statements():
    conditions = (Condition(("NORM",)), Condition(("AFLT", "LVH")), Condition())
    masks = Grouped.of(profile(3, conditions=conditions)).masks
    assert list(masks) == [ALL, *GROUPS]
    assert masks[ALL].tolist() == [True] * 3
    assert masks["afib"].tolist() == [False, True, False]
    assert masks["lvh"].tolist() == [False, True, False]
    assert not masks["rbbb"].any()


def test_equal_sets_are_found_equal():
    real = profile(300)
    found = section(real, replace(real))
    assert found.name == "physiology"
    assert found.measure("interval_medians_within_bounds").value == 100
    assert found.measure("wasserstein_ratio").value < 1.2
    assert row(found, "physiology_qrs_ms", "all")[5] == 0
    assert not found.failures


def test_medians_and_their_floor_are_of_the_same_groups_and_figures():
    """Of seven records of a group a median is known and no floor: the group counts for neither."""
    small = tuple(Condition((GROUPS["afib"][0],)) for _ in range(7))
    norm = tuple(Condition((GROUPS["norm"][0],)) for _ in range(60))
    real, synthetic = profile(67, conditions=small + norm), profile(67, seed=1, conditions=small + norm)
    synthetic.figures["qrs_ms"][:7] += 100
    found = section(real, synthetic).measure("interval_medians_within_bounds")
    assert found.n == sum(family_of(name) is not None for name in FIGURES)
    assert found.value == pytest.approx(100)
    assert found.floor is not None


def test_a_wrong_interval_is_found():
    found = section(profile(600), profile(600, seed=1, qrs_ms=30.0))
    assert found.measure("interval_medians_within_bounds").value == pytest.approx(100 * 5 / 6, abs=1)
    assert found.measure("interval_medians_within_bounds").floor > 95
    assert {kind: share for kind, _, share, _ in table(found, "physiology_agreement").rows}["QRS"] == 0
    group, n_real, n_synthetic, real, synthetic, difference, distance, floor, ratio = row(
        found, "physiology_qrs_ms", "all"
    )
    assert (group, n_real, n_synthetic) == ("all", 600, 600)
    assert synthetic - real == difference == pytest.approx(30, abs=2)
    assert distance == pytest.approx(30, abs=2)
    assert floor < 2
    assert ratio == pytest.approx(distance / floor)


def test_heart_rates_are_compared_with_the_request():
    asked = (60.0, 60.0, 60.0, (60.0, 80.0), (60.0, 80.0), None, 100.0)
    synthetic = profile(7, conditions=tuple(Condition(("NORM",), heart_rate=rate) for rate in asked))
    synthetic.figures["heart_rate"][:] = (60, 64, 70, 75, 82, 10, math.nan)
    requested = requested_rates(synthetic)
    assert requested.asked.tolist() == [60, 60, 60, 70, 70, 100]
    assert requested.error[:5].tolist() == [0, 4, 10, 0, 2]
    assert math.isnan(requested.error[5])
    assert requested.within(5) == pytest.approx(100 * 4 / 6)
    assert requested.bias() == pytest.approx(16 / 5)
    found = section(profile(30), synthetic)
    assert found.measure("heart_rate_within_5_bpm").value == pytest.approx(100 * 4 / 6)
    assert found.measure("heart_rate_within_3_bpm").value == pytest.approx(100 * 3 / 6)
    assert len(found.notes) == 1
    assert [line[:2] for line in table(found, "requested_heart_rate").rows] == [
        ("60 to 80", 5),
        ("100 to 120", 1),
        ("all", 6),
    ]


def test_nothing_asked_nothing_compared():
    conditions = (Condition(("NORM",)),) * 30
    found = section(profile(30), profile(30, conditions=conditions))
    assert found.measure("heart_rate_within_5_bpm").value is None
    assert any("No heart rate was asked for" in note for note in found.notes)
    assert all(chart.name != "requested_heart_rate_chart" for chart in found.charts)


def test_lead_equations_and_implausible_figures_are_counted():
    real, synthetic = profile(40, residuals=1.0), profile(40, residuals=2.0)
    synthetic.residuals[:10] = 7.5
    synthetic.figures["heart_rate"][:4] = 400
    synthetic.figures["r_v5_mv"][3:6] = 50
    found = section(real, synthetic)
    assert found.measure("lead_equation_violation_uv").value == 7.5
    assert found.measure("lead_equation_violation_uv").floor == 1
    assert found.measure("lead_equation_violations").value == 25
    assert found.measure("lead_equation_violations").floor == 0
    healthy = {name: np.clip(values, 0.2, 380) for name, values in real.figures.items()}
    assert section(replace(real, figures=healthy), synthetic).measure("implausible_records").value >= 15
    assert row(found, "plausibility", "Heart rate (bpm)")[1:4] == ("20 to 300", 0, 10)


def test_p_waves_are_counted_by_group():
    real, synthetic = profile(60), profile(60)
    for one, share in ((real, 0.1), (synthetic, 0.9)):
        afib = Grouped.of(one).masks["afib"]
        one.figures["p_presence"][:] = 0.95
        one.figures["p_presence"][afib] = share
    found = section(real, synthetic)
    assert (found.measure("p_waves_afib").value, found.measure("p_waves_afib").floor) == (100, 0)
    assert row(found, "p_waves", "AF or flutter") == ("AF or flutter", 10, 10, 0, 100)


def test_histograms_hold_every_measured_record():
    synthetic = profile(100, seed=1)
    synthetic.figures["qrs_ms"][:50] = math.nan
    chart = next(chart for chart in section(profile(100), synthetic).charts if chart.name == "qrs_ms_all")
    assert [series.role for series in chart.series] == ["real", "synthetic"]
    assert chart.series[0].x == chart.series[1].x
    assert all(sum(series.y) == pytest.approx(100) for series in chart.series)


def test_few_records_and_missing_figures_are_dashes():
    real, synthetic = profile(12), profile(3, seed=1)
    for values in real.figures.values():
        values[:] = math.nan
    found = section(real, synthetic)
    assert found.measure("interval_medians_within_bounds").value is None
    assert found.measure("wasserstein_ratio").value is None
    assert row(found, "physiology_medians", "all")[3:] == (None,) * 10
    assert section(profile(8), profile(8)).measure("wasserstein_ratio").value is None


def test_records_of_no_standard_group_are_named_as_the_reason():
    unlabelled = (Condition(),) * 40
    found = section(profile(40, conditions=unlabelled), profile(40, conditions=unlabelled))
    assert found.measure("interval_medians_within_bounds").value is None
    (failure,) = found.failures
    assert failure.what == "groups' medians"
    assert failure.why.startswith("0 of 40 real and 0 of 40 synthetic ECGs belong to a standard group (norm, ")
    assert failure.why.endswith("give ECGs with the statements of one")


@pytest.mark.parametrize(("off", "noted"), [(2, False), (3, True)])
def test_real_leads_that_do_not_fit_each_other_are_noted(off, noted):
    real = profile(40)
    real.residuals[:off] = 60.0
    notes = [note for note in section(real, profile(40)).notes if "Einthoven" in note]
    assert bool(notes) is noted
    assert all(note.startswith("In 3 of 40 real ECGs") and "50 µV" in note for note in notes)


def test_no_records_are_a_failure_that_says_so():
    found = section(profile(10), profile(0, conditions=()))
    assert found.failures
    assert not found.tables


def test_the_section_is_plain_data_and_repeats():
    real, synthetic = profile(120), profile(120, seed=1)
    found, again = (replace(section(real, synthetic, seed=3), seconds=0.0) for _ in range(2))
    assert found == again
    report = Report("", "", {}, {}, {}, (), (), (found,))
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))["sections"][0]["name"] == "physiology"
    names = [measure.name for measure in found.measures]
    assert len(set(names)) == len(names)
    assert all(len(line) == len(one.columns) for one in found.tables for line in one.rows)
    assert len({one.name for one in (*found.tables, *found.charts)}) == len(found.tables) + len(found.charts)


def test_the_measurements_own_error_is_shown():
    found = table(section(profile(30), profile(30)), "measurement_error")
    assert len(found.rows) == len(MEASUREMENT_ERROR)
    assert found.rows[2][1:3] == MEASUREMENT_ERROR["qrs_ms"][:2]


def test_atrial_fibrillation_has_no_pr():
    compared = compare(Grouped.of(profile(60)), Grouped.of(profile(60)))
    assert not any(one.group == "afib" and one.figure in ("pr_ms", "p_ii_mv") for one in compared)
    assert shares_that_agree(compared)["PR"][0] == 5
