"""Conditions: contradictions are refused, spans read and written, unknown names answered with the nearest."""

from __future__ import annotations

import pytest

from ecgsdk.conditions import (
    GROUPS,
    STATEMENTS,
    Condition,
    check_known,
    format_span,
    parse_span,
)
from ecgsdk.errors import ConditionError


@pytest.mark.parametrize(
    "condition",
    [
        Condition(),
        Condition(("NORM",), 70.0, (20.0, 30.0), "F"),
        Condition(("CLBBB", "MI"), (50.0, 70.0)),
        Condition(("STACH",), (100.0, 120.0)),
        Condition(("SBRAD",), 45.0),
        Condition(("AFIB", "PVC"), age=0.0),
    ],
)
def test_a_possible_condition_passes(condition):
    condition.check()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Condition(("NORM", "LVH")), "NORM and LVH contradict"),
        (Condition(("AFLT", "AFIB")), "AFIB and AFLT contradict"),
        (Condition(("CRBBB", "CLBBB")), "CLBBB and CRBBB contradict"),
        (Condition(("SBRAD",), 120.0), "120 bpm contradicts SBRAD"),
        (Condition(("STACH",), (60.0, 110.0)), "60:110 bpm contradicts STACH"),
        (Condition(heart_rate=(80.0, 60.0)), "heart rate .* not a rising span"),
        (Condition(heart_rate=float("nan")), "heart rate nan"),
        (Condition(age=-1.0), "age -1"),
        (Condition(sex="X"), "use M or F"),  # type: ignore[arg-type]
    ],
)
def test_an_impossible_condition_is_refused(condition, said):
    with pytest.raises(ConditionError, match=said):
        condition.check()


def test_every_group_can_be_asked_for():
    assert list(GROUPS) == ["norm", "afib", "1avb", "lbbb", "rbbb", "lvh"]
    for name, codes in GROUPS.items():
        assert set(codes) <= set(STATEMENTS)
        assert name in Condition(codes[:1]).groups()


def test_a_record_may_belong_to_several_groups():
    assert Condition(("LVH", "AFLT", "PVC")).groups() == ("afib", "lvh")
    assert Condition().groups() == ()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConditionError, match="unknown group 'afibb'; did you mean afib"):
        check_known("group", ["afibb"], GROUPS)
    with pytest.raises(ConditionError, match="did you mean CLBBB"):
        check_known("statement", ["NORM", "clbbb"], STATEMENTS)
    with pytest.raises(ConditionError, match="unknown group 'xyzzy'; known: norm, afib"):
        check_known("group", ["xyzzy"], GROUPS)


@pytest.mark.parametrize(("text", "value"), [("72", 72.0), ("60:80", (60.0, 80.0)), (" 55.5 : 60 ", (55.5, 60.0))])
def test_spans_are_read(text, value):
    assert parse_span(text) == value


@pytest.mark.parametrize("text", ["", "fast", "60-80", "60:", "1:2:3", "nan", "inf:3"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ConditionError, match="neither a number nor a span"):
        parse_span(text)


@pytest.mark.parametrize("text", ["72", "60:80", "55.5:60"])
def test_spans_are_written_as_they_are_read(text):
    assert format_span(parse_span(text)) == text


def test_a_condition_is_json_ready():
    assert Condition(("AFIB",), (60.0, 80.0), 70.0, "M").as_dict() == {
        "statements": ["AFIB"],
        "heart_rate": (60.0, 80.0),
        "age": 70.0,
        "sex": "M",
    }
