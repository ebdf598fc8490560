"""The verdict: measures become plain sentences, by the table of rules.

A sentence says what was measured and no more: finding little is called "at most faint signs", and where too few
records leave it open, or the attacks could not have found anything, no level is given.
"""

from __future__ import annotations

import string
from dataclasses import replace
from typing import TYPE_CHECKING

from ecgsdk.validation.report.rounding import decimals, finite, number, with_unit
from ecgsdk.validation.report.rules import CONTROL, RULES
from ecgsdk.validation.results import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ecgsdk.validation.report.rules import Rule
    from ecgsdk.validation.results import Level, Measure, Section

__all__ = ["findings"]

_LEVELS: tuple[Level, ...] = ("good", "fair", "poor")
_NEED_CONTROL = ("membership_auc", "membership_auc_isolated", "membership_tpr_1")


def findings(sections: Sequence[Section], rules: Iterable[Rule] = RULES) -> tuple[Finding, ...]:
    """The verdict: a finding for each rule whose measure is there, and one for each section that lacks required ones.

    Of sections that were not run nothing is said.
    """
    measures = {measure.name: measure for section in sections for measure in section.measures}
    rules = tuple(rules)
    found = []
    for section in sections:
        own = [rule for rule in rules if rule.section == section.name]
        told = {rule: _finding(rule, measures) for rule in own}
        found += [finding for finding in told.values() if finding]
        missing = [rule for rule in own if told[rule] is None and rule.required]
        if missing:
            found.append(_not_measured(section, missing))
    return tuple(found)


def _finding(rule: Rule, measures: Mapping[str, Measure]) -> Finding | None:
    measure = measures.get(rule.measure)
    if measure is None:
        return None
    if rule.floor_of:
        other = measures.get(rule.floor_of)
        measure = replace(measure, floor=other.value if other else measure.floor)
    reading = rule.read(measure.value, measure.floor)
    if reading is None:
        return None
    level = rule.level(reading)
    text = _sentence(rule, level, measure, measures)
    if _open(rule, level, measure):
        return Finding(rule.section, "unknown", f"{text} But so few records leave it open: {_interval(measure)}.")
    if level == "good" and rule.measure in _NEED_CONTROL and _blind(measures):
        return Finding(rule.section, "unknown", f"{text} But these attacks miss even planted copies.")
    return Finding(rule.section, level, text)


def _open(rule: Rule, level: Level, measure: Measure) -> bool:
    """Whether the 95 % interval reaches from good to poor."""
    readings = (rule.read(end, measure.floor) for end in (measure.low, measure.high))
    levels = {level, *(rule.level(reading) for reading in readings if reading is not None)}
    return levels >= {"good", "poor"}


def _interval(measure: Measure) -> str:
    places = decimals((measure.value,), measure.unit)
    low, high = (number(end, places, measure.unit) for end in (measure.low, measure.high))
    return f"the 95 % interval is {low} to {with_unit(high, measure.unit)}"


def _blind(measures: Mapping[str, Measure]) -> bool:
    """Whether the attacks missed a leak that was put there."""
    control = next(rule for rule in RULES if rule.measure == CONTROL)
    value = finite(measures[CONTROL].value) if CONTROL in measures else None
    return value is not None and control.level(value) != "good"


def _sentence(rule: Rule, level: Level, measure: Measure, measures: Mapping[str, Measure]) -> str:
    places = decimals((measure.value, measure.floor), measure.unit)
    value, floor = (number(shown, places, measure.unit) for shown in (measure.value, measure.floor))
    return rule.sentence.format(
        value=with_unit(value, measure.unit),
        floor=with_unit(floor, measure.unit),
        times=number(measure.value / measure.floor, 1) if measure.value and measure.floor else number(None),
        word=rule.words[_LEVELS.index(level)],
        end=rule.ends[_LEVELS.index(level)],
        detail=_detail(rule.detail, measures),
    )


def _detail(template: str, measures: Mapping[str, Measure]) -> str:
    """The template filled with measures' values; nothing if one of them is missing."""
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    known = {name: measures[name] for name in names if name in measures and finite(measures[name].value) is not None}
    if len(known) < len(set(names)):
        return ""
    return template.format(**{n: with_unit(number(m.value, unit=m.unit), m.unit) for n, m in known.items()})


def _not_measured(section: Section, missing: Sequence[Rule]) -> Finding:
    topics = "; ".join(rule.topic for rule in missing)
    reasons = " ".join(f"{one.what[:1].upper()}{one.what[1:]}: {one.why.rstrip('.')}." for one in section.failures)
    return Finding(section.name, "unknown", f"Not measured: {topics}.{' ' * bool(reasons)}{reasons}")
