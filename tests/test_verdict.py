"""The verdict: levels by the table's bounds, honest sentences, and what is said of what was not measured."""

from __future__ import annotations

import math
import re
import string

import pytest

from ecgsdk.validation.report.rules import CONTROL, RULES
from ecgsdk.validation.report.verdict import findings
from ecgsdk.validation.results import Failure, Measure, Section


def rule(name):
    return next(rule for rule in RULES if rule.measure == name)


CAUGHT = Measure(CONTROL, "", 99.0, "%")
"""The attacks find what was planted."""


def found(*measures, section="privacy", failures=()):
    """The findings on these measures alone."""
    all_findings = findings([Section(section, section.title(), measures=measures, failures=failures)])
    return [finding for finding in all_findings if not finding.text.startswith("Not measured")]


def level(name, value, **options):
    own = rule(name)
    (finding, *_) = found(Measure(name, name, value, **options), CAUGHT, section=own.section)
    return finding.level


@pytest.mark.parametrize("own", RULES, ids=lambda own: own.measure)
def test_each_level_has_its_sentence(own):
    better = 1 if own.good > own.fair else -1
    for reading, expected in ((own.good, "good"), (own.fair, "fair"), (own.fair - better * 1e-6, "poor")):
        value, floor = {
            "value": (reading, None),
            "value beyond chance": (reading, 0.0),
            "distance from half": (reading, 0.5),
            "times the floor": (2 * reading, 2.0),
            "below the floor": (90 - reading, 90.0),
            "above the floor": (0.5 + reading, 0.5),
            "beyond the floor": (math.hypot(reading, 3.0), 3.0),
            "distance from the floor": (0.9 - reading, 0.9),
        }[own.reading]
        measures = (CAUGHT, Measure(own.measure, "openecg: title", value, floor=floor))
        (finding, *_) = found(*measures, section=own.section)
        assert finding.level == expected
        assert finding.section == own.section
        assert re.match(r"[A-Z\d`].*\.$", finding.text)
        assert "  " not in finding.text
        assert "{" not in finding.text
        assert " ," not in finding.text


@pytest.mark.parametrize("own", RULES, ids=lambda own: own.measure)
def test_a_rule_names_only_what_its_sentence_can_hold(own):
    names = {name for _, name, _, _ in string.Formatter().parse(own.sentence) if name}
    assert names <= {"value", "floor", "low", "high", "times", "who", "word", "end", "detail", "tested"}
    assert "value" in names
    assert ("detail" in names) == bool(own.detail)
    assert ("tested" in names) == bool(own.tested)
    assert ("word" in names) == any(own.words)
    assert ("end" in names) == any(own.ends)


def test_utility_in_words():
    (finding,) = found(
        Measure("tstr_ratio", "", 98.68, "%"),
        Measure("tstr_macro_auroc", "", 0.9477),
        Measure("trtr_macro_auroc", "", 0.9604),
        section="utility",
    )
    assert finding.level == "good"
    assert finding.text.replace("\N{NO-BREAK SPACE}", " ") == (
        "Classifiers trained on the synthetic ECGs reach 98.7 % of what they reach when trained on as many real ones "
        "(macro-AUROC 0.948 against 0.960)."
    )


def test_a_detail_that_is_missing_is_left_out():
    (finding,) = found(Measure("tstr_ratio", "", 98.68, "%"), Measure("tstr_macro_auroc", "", None), section="utility")
    assert "AUROC" not in finding.text


def test_told_apart_at_once():
    (finding,) = found(Measure("two_sample_auc", "", 0.99997, floor=0.5), section="fidelity")
    assert finding.level == "poor"
    assert "AUC 1.000" in finding.text
    assert finding.text.endswith("they do not pass for recordings.")


def test_an_auc_below_one_half_tells_as_much_as_one_above():
    assert level("two_sample_auc", 0.02) == "poor"
    assert level("two_sample_auc", 0.48) == "good"


def test_binary_tasks_are_held_against_training_on_real_ecgs():
    ours, real = Measure("tstr_balanced_accuracy", "", 93.0, "%"), Measure("trtr_balanced_accuracy", "", 97.0, "%")
    (finding,) = found(ours, real, section="utility")
    assert finding.level == "poor"
    assert "97" in finding.text


def test_a_distance_needs_its_floor():
    (finding,) = findings([Section("fidelity", "", measures=(Measure("frechet_distance", "", 4.0),))])
    assert finding.level == "unknown"
    assert rule("frechet_distance").topic in finding.text
    assert level("frechet_distance", 4.0, floor=2.5) == "good"
    assert level("frechet_distance", 40.0, floor=2.5) == "poor"


def excess(value, low, high):
    return Measure("membership_auc_excess", "", value, floor=0.0, low=low, high=high)


def test_privacy_claims_no_more_than_was_measured():
    (finding, *_) = found(excess(0.004, -0.008, 0.017), Measure("membership_auc", "", 0.512, floor=0.509), CAUGHT)
    assert finding.level == "good"
    assert finding.text.startswith("No signs beyond chance")
    assert "0.004 (95 % interval −0.008 to 0.017)" in finding.text
    assert "0.512" not in finding.text
    assert "private" not in finding.text
    assert "safe" not in finding.text


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((0.020, -0.001, 0.041), "good"),
        ((0.020, 0.001, 0.041), "fair"),
        ((0.032, 0.014, 0.051), "fair"),
        ((0.060, 0.030, 0.090), "poor"),
        ((0.044, -0.014, 0.101), "unknown"),
        ((-0.010, -0.030, 0.010), "good"),
        ((0.255, 0.198, 0.303), "poor"),
    ],
)
def test_membership_is_judged_by_the_interval_of_its_excess(figures, expected):
    (finding, *_) = found(excess(*figures), CAUGHT)
    assert finding.level == expected
    assert finding.text.count("interval") == 1


def test_the_auc_of_the_best_attack_alone_is_not_judged():
    assert [f.text for f in found(Measure("membership_auc", "", 0.7, floor=0.5))] == []


def test_too_few_records_leave_it_open():
    wide = {"low": 0.40, "high": 0.83}
    for value in (0.515, 0.81):
        (finding,) = found(Measure("two_sample_auc", "", value, **wide), section="fidelity")
        assert finding.level == "unknown"
        assert finding.text.startswith("So few pairs leave open whether a classifier tells synthetic from real ECGs: ")
        assert "0.400 to 0.830" in finding.text
        assert "pass for recordings" not in finding.text
    assert level("two_sample_auc", 0.75, low=0.70, high=0.83) == "fair"


def test_what_few_records_leave_open_comes_first_and_without_judgement():
    wide = Measure("tstr_ratio", "Macro-AUROC, share", 89.8, "%", low=78.1, high=101.2)
    (finding,) = found(wide, section="utility")
    assert finding.level == "unknown"
    assert finding.text.replace("\N{NO-BREAK SPACE}", " ") == (
        "So few records leave open what classifiers learn from the synthetic ECGs: 89.8 %, 95 % interval 78.1 to "
        "101.2 % (Macro-AUROC, share)."
    )


def test_a_ratio_over_part_of_the_labels_says_so():
    part = Measure("tstr_ratio", "1 of 15 labels: Macro-AUROC, share", 98.0, "%")
    (finding,) = found(part, section="utility")
    assert "as many real ones, over 1 of 15 labels." in finding.text


@pytest.mark.parametrize(
    ("name", "value", "n", "expected"),
    [
        ("two_sample_auc", 0.6, 53, "unknown"),
        ("two_sample_auc", 0.7, 999, "unknown"),
        ("two_sample_auc", 0.6, 1000, "good"),
        ("two_sample_auc", 0.95, 53, "poor"),
        ("two_sample_auc_features", 0.6, 999, "unknown"),
        ("interval_medians_within_bounds", 95.0, 71, "unknown"),
        ("interval_medians_within_bounds", 30.0, 71, "unknown"),
        ("interval_medians_within_bounds", 95.0, 72, "good"),
    ],
)
def test_a_measure_of_too_few_is_not_judged(name, value, n, expected):
    floor = 100.0 if "medians" in name else 0.5
    assert level(name, value, floor=floor, n=n) == expected


def test_a_two_sample_test_names_its_classifier_and_the_pairs():
    title = "resnet1d: AUROC of telling synthetic from real ECGs"
    few, enough = (found(Measure("two_sample_auc", title, 0.552, n=n), section="fidelity")[0].text for n in (53, 2183))
    assert few == (
        "So few pairs leave open whether a classifier tells synthetic from real ECGs: 0.552, 53 pairs where 1,000 are "
        f"needed ({title})."
    )
    assert enough.startswith("A classifier trained to tell synthetic from real ECGs (`resnet1d`, 2,183 pairs) hardly")


CLAIMS = (
    excess(0.001, -0.01, 0.012),
    Measure("membership_auc_excess_isolated", "", 0.001, floor=0.0, low=-0.03, high=0.04),
    Measure("membership_tpr_1", "", 1.0, "%", floor=1.1),
    Measure("memorisation_ratio", "", 0.0, "%", floor=0.0),
)


@pytest.mark.parametrize(
    ("control", "levels", "said"),
    [
        (1.2, ["unknown"] * 4 + ["poor"], "But these attacks miss most of the copies planted on purpose."),
        (40.0, ["unknown"] * 4 + ["fair"], "But these attacks miss many of the copies planted on purpose."),
        (80.0, ["good"] * 5, ""),
        (None, ["unknown"] * 4, "But it was not measured whether these attacks would find a copy."),
        ("absent", ["unknown"] * 4, "But it was not measured whether these attacks would find a copy."),
    ],
)
def test_attacks_that_miss_a_leak_or_may_miss_it_prove_nothing(control, levels, said):
    measures = CLAIMS if control == "absent" else (*CLAIMS, Measure(CONTROL, "", control, "%"))
    told = found(*measures)
    assert [finding.level for finding in told] == levels
    assert all(finding.text.endswith(said) for finding in told[:4])


@pytest.mark.parametrize("control", [1.2, None])
def test_a_leak_that_was_found_stays_one_whatever_the_control_says(control):
    found_one, *_ = found(excess(0.4, 0.3, 0.5), Measure(CONTROL, "", control, "%"))
    assert found_one.level == "poor"


def agreement(*measures, failures=()):
    return findings([Section("agreement", "Agreement", measures=measures, failures=failures)])


def rates(who, value, floor):
    key = who.replace("-", "_")
    return Measure(f"agreement_{key}_call_rate_difference", f"{who}: difference of call rates", value, "%", floor=floor)


def test_each_diagnostic_model_has_its_findings():
    auroc = Measure(
        "agreement_openecg_auroc", "openecg: AUROC on synthetic ECGs", 0.859, floor=0.907, low=0.84, high=0.88
    )
    told = agreement(rates("openecg", 4.10, 3.69), auroc, rates("vendor-2", 12.0, 2.0))
    assert [finding.level for finding in told] == ["good", "poor", "fair"]
    assert told[0].text.startswith("`openecg` makes about the same calls on the synthetic ECGs as on real ones")
    assert "differs by 4.10\N{NO-BREAK SPACE}% of the ECGs on average, and by 3.69\N{NO-BREAK SPACE}%" in told[0].text
    assert told[1].text.startswith("`vendor-2` does not make the same calls")
    assert "AUROC is 0.859 on the synthetic ECGs" in told[2].text


def test_an_auroc_above_that_on_real_ecgs_is_no_better_than_one_below():
    for value in (0.80, 0.99):
        (told, _) = agreement(
            rates("x", 1.0, 1.0), Measure("agreement_x_auroc", "x: AUROC on synthetic ECGs", value, floor=0.90)
        )[::-1]
        assert told.level == "poor"


def test_calls_on_few_records_are_left_open():
    (told,) = agreement(rates("x", 6.0, 6.5))
    assert told.level == "unknown"
    assert told.text.startswith("So few records leave open whether diagnostic models call on synthetic ECGs what")
    assert "and chance alone differs as much (x: difference" in told.text


def test_without_a_diagnostic_model_agreement_is_not_known():
    (told,) = agreement(failures=(Failure("diagnostic models", "none is installed; give one with --classifier"),))
    assert told.level == "unknown"
    assert told.text.startswith("Not measured: whether diagnostic models call on synthetic ECGs what they call on real")
    assert told.text.endswith("Diagnostic models: none is installed; give one with --classifier.")


def test_what_a_section_could_not_measure_is_one_finding_with_the_reason():
    failure = Failure("two-sample test", "no classifier can be trained; run `pip install x`")
    section = Section("fidelity", "Fidelity", measures=(Measure("coverage", "", 0.9, floor=0.95),), failures=(failure,))
    told, missing = findings([section])
    assert told.level == "good"
    assert (missing.section, missing.level) == ("fidelity", "unknown")
    assert missing.text.startswith("Not measured: whether a classifier tells synthetic from real ECGs; ")
    assert missing.text.endswith("Two-sample test: no classifier can be trained; run `pip install x`.")


def test_many_or_long_reasons_are_left_to_the_section():
    several = tuple(Failure(f"normal against {group}", "10 of each class are needed") for group in ("afib", "lbbb"))
    for failures in (several, (Failure("labels", "10 are needed: " + "NORM 3, " * 30),)):
        (told,) = findings([Section("utility", "Utility", failures=failures)])
        assert told.text.endswith("what classifiers learn from the synthetic ECGs; how well classifiers tell normal "
                                  "ECGs from one group. The section “Utility” says why.")  # fmt: skip


def test_optional_measures_are_not_missed():
    names = [own.measure for own in RULES if own.section == "fidelity" and own.required]
    measures = tuple(Measure(name, "", 0.5, floor=0.5) for name in names)
    assert len(findings([Section("fidelity", "", measures=measures)])) == len(names)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_none_was_not_measured(value):
    assert found(Measure("membership_auc_excess", "", value, floor=0.0)) == []


def test_of_a_section_that_was_not_run_nothing_is_said():
    assert findings([]) == ()
    assert findings([Section("plugins", "Plugins"), Section("samples", "ECGs")]) == ()


def test_what_attacks_find_where_there_is_nothing_to_find_does_not_count():
    assert level("membership_tpr_1", 2.4, floor=1.6, unit="%") == "good"
    assert level("membership_tpr_1", 2.4, floor=1.0, unit="%") == "fair"
    assert level("memorisation_ratio", 0.9, floor=0.8, unit="%") == "good"
