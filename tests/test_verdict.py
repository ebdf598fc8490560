"""The verdict: levels by the table's bounds, honest sentences, and what is said of what was not measured."""

from __future__ import annotations

import re
import string

import pytest

from ecgsdk.validation.report.rules import CONTROL, RULES
from ecgsdk.validation.report.verdict import findings
from ecgsdk.validation.results import Failure, Measure, Section


def rule(name):
    return next(rule for rule in RULES if rule.measure == name)


def found(*measures, section="privacy", failures=()):
    """The findings on these measures alone."""
    all_findings = findings([Section(section, section.title(), measures=measures, failures=failures)])
    return [finding for finding in all_findings if not finding.text.startswith("Not measured")]


def level(name, value, **options):
    own = rule(name)
    measures = [Measure(name, name, value, **options)]
    (finding,) = found(*measures, section=own.section)
    return finding.level


@pytest.mark.parametrize("own", RULES, ids=lambda own: own.measure)
def test_each_level_has_its_sentence(own):
    better = 1 if own.good > own.fair else -1
    for reading, expected in ((own.good, "good"), (own.fair, "fair"), (own.fair - better * 1e-6, "poor")):
        value, floor = {
            "value": (reading, None),
            "distance from half": (reading, 0.5),
            "times the floor": (2 * reading, 2.0),
            "below the floor": (90 - reading, 90.0),
            "above the floor": (0.5 + reading, 0.5),
        }[own.reading]
        measures = [Measure(own.measure, "title", value, floor=floor)]
        (finding,) = found(*measures, section=own.section)
        assert finding.level == expected
        assert finding.section == own.section
        assert re.match(r"[A-Z\d].*\.$", finding.text)
        assert "  " not in finding.text
        assert "{" not in finding.text
        assert " ," not in finding.text


@pytest.mark.parametrize("own", RULES, ids=lambda own: own.measure)
def test_a_rule_names_only_what_its_sentence_can_hold(own):
    names = {name for _, name, _, _ in string.Formatter().parse(own.sentence) if name}
    assert names <= {"value", "floor", "times", "word", "end", "detail"}
    assert "value" in names
    assert ("detail" in names) == bool(own.detail)
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


def test_privacy_claims_no_more_than_was_measured():
    (finding,) = found(Measure("membership_auc", "", 0.512, floor=0.509, low=0.497, high=0.527))
    assert finding.level == "good"
    assert finding.text.startswith("At most faint signs")
    assert "private" not in finding.text
    assert "safe" not in finding.text


def test_too_few_records_leave_it_open():
    wide = {"low": 0.40, "high": 0.63, "floor": 0.5}
    for value in (0.515, 0.61):
        (finding,) = found(Measure("membership_auc", "", value, **wide))
        assert finding.level == "unknown"
        assert "0.400 to 0.630" in finding.text
    assert level("membership_auc", 0.55, floor=0.5, low=0.54, high=0.63) == "fair"


def test_attacks_that_miss_a_leak_prove_nothing():
    claims = Measure("membership_auc", "", 0.51, floor=0.5), Measure("membership_tpr_1", "", 1.0, "%", floor=1.1)
    levels = [finding.level for finding in found(*claims, Measure(CONTROL, "", 1.2, "%"))]
    assert levels == ["unknown", "unknown", "poor"]
    levels = [finding.level for finding in found(*claims, Measure(CONTROL, "", 40.0, "%"))]
    assert levels == ["unknown", "unknown", "fair"]
    levels = [finding.level for finding in found(*claims, Measure(CONTROL, "", 80.0, "%"))]
    assert levels == ["good", "good", "good"]


def test_a_leak_that_was_found_stays_one_whatever_the_control_says():
    measures = Measure("membership_auc", "", 0.9, floor=0.5), Measure(CONTROL, "", 1.2, "%")
    levels = [finding.level for finding in found(*measures)]
    assert levels == ["poor", "poor"]


def test_what_a_section_could_not_measure_is_one_finding_with_the_reason():
    failure = Failure("two-sample test", "no classifier can be trained; run `pip install x`")
    section = Section("fidelity", "Fidelity", measures=(Measure("coverage", "", 0.9, floor=0.95),), failures=(failure,))
    told, missing = findings([section])
    assert told.level == "good"
    assert (missing.section, missing.level) == ("fidelity", "unknown")
    assert missing.text.startswith("Not measured: whether a classifier tells synthetic from real ECGs; ")
    assert missing.text.endswith("Two-sample test: no classifier can be trained; run `pip install x`.")


def test_optional_measures_are_not_missed():
    names = [own.measure for own in RULES if own.section == "fidelity" and own.required]
    measures = tuple(Measure(name, "", 0.5, floor=0.5) for name in names)
    assert len(findings([Section("fidelity", "", measures=measures)])) == len(names)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_none_was_not_measured(value):
    assert found(Measure("membership_auc", "", value, floor=0.5)) == []


def test_of_a_section_that_was_not_run_nothing_is_said():
    assert findings([]) == ()
    assert findings([Section("plugins", "Plugins"), Section("samples", "ECGs")]) == ()


def test_what_attacks_find_where_there_is_nothing_to_find_does_not_count():
    assert level("membership_auc", 0.57, floor=0.56) == "good"
    assert level("membership_auc", 0.57, floor=0.50) == "fair"
    assert level("memorisation_ratio", 0.9, floor=0.8, unit="%") == "good"
