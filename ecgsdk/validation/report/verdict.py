"""The verdict: measures become plain sentences, by the table of rules.

A sentence says what was measured and no more: finding little is called "at most faint signs", and where too few
records leave it open, or it is not known that the attacks would have found anything, no level is given.
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


def findings(sections: Sequence[Section], rules: Iterable[Rule] = RULES) -> tuple[Finding, ...]:
    """The verdict: a finding for each measure that a rule is for, and one for each section that lacks required ones.

    Of sections that were not run nothing is said.
    """
    measures = {measure.name: measure for section in sections for measure in section.measures}
    rules = tuple(rules)
    found = []
    for section in sections:
        own = [rule for rule in rules if rule.section == section.name]
        told = {rule: _findings_by(rule, measures) for rule in own}
        found += [finding for of_rule in told.values() for finding in of_rule]
        missing = [rule for rule in own if not told[rule] and rule.required]
        if missing:
            found.append(_not_measured(section, missing))
    return tuple(found)


def _findings_by(rule: Rule, measures: Mapping[str, Measure]) -> list[Finding]:
    found = [_finding(rule, measure, measures) for name, measure in measures.items() if rule.applies(name)]
    return [finding for finding in found if finding]


def _finding(rule: Rule, measure: Measure, measures: Mapping[str, Measure]) -> Finding | None:
    if rule.floor_of:
        other = measures.get(rule.floor_of)
        measure = replace(measure, floor=other.value if other else measure.floor)
    reading = rule.read(measure.value, measure.floor, measure.low)
    if reading is None:
        return None
    level = rule.level(reading)
    text = _sentence(rule, level, measure, measures)
    doubt = _doubt(rule, level, measure, measures)
    return Finding(rule.section, "unknown", f"{text} {doubt}") if doubt else Finding(rule.section, level, text)


def _doubt(rule: Rule, level: Level, measure: Measure, measures: Mapping[str, Measure]) -> str:
    """Why the level does not stand, in a sentence; nothing if it does."""
    if _open(rule, level, measure):
        said = "" if "{low}" in rule.sentence else f": {_interval(measure)}"
        return f"But so few records leave it open{said}."
    if (finite(measure.floor) or 0.0) > rule.highest_floor:
        return "But so few records leave it open: chance alone differs as much."
    if level == "good" and rule.needs_control:
        return _blindness(measures)
    return ""


def _open(rule: Rule, level: Level, measure: Measure) -> bool:
    """Whether the 95 % interval reaches from good to poor."""
    readings = (rule.read(end, measure.floor) for end in (measure.low, measure.high))
    levels = {level, *(rule.level(reading) for reading in readings if reading is not None)}
    return levels >= {"good", "poor"}


def _interval(measure: Measure) -> str:
    places = decimals((measure.value,), measure.unit)
    low, high = (number(end, places, measure.unit) for end in (measure.low, measure.high))
    return f"the 95 % interval is {low} to {with_unit(high, measure.unit)}"


def _blindness(measures: Mapping[str, Measure]) -> str:
    """Why these attacks clear nothing: they miss planted copies, or it is not known; empty if they find them."""
    control = next(rule for rule in RULES if rule.measure == CONTROL)
    value = finite(measures[CONTROL].value) if CONTROL in measures else None
    if value is None:
        return "But it was not measured whether these attacks would find a copy."
    level = control.level(value)
    return "" if level == "good" else f"But these attacks {_of_level(control.words, level)} copies planted on purpose."


def _sentence(rule: Rule, level: Level, measure: Measure, measures: Mapping[str, Measure]) -> str:
    names = ("value", "floor", "low", "high")
    shown = {name: getattr(measure, name) for name in names if f"{{{name}}}" in rule.sentence}
    places = decimals(shown.values(), measure.unit)
    return rule.sentence.format(
        **{name: with_unit(number(figure, places, measure.unit), measure.unit) for name, figure in shown.items()},
        times=number(measure.value / measure.floor, 1) if measure.value and measure.floor else number(None),
        word=_of_level(rule.words, level),
        end=_of_level(rule.ends, level),
        who=measure.title.rpartition(": ")[0],
        detail=_detail(rule.detail, measures),
    )


def _of_level(words: tuple[str, str, str], level: Level) -> str:
    return words[_LEVELS.index(level)]


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
