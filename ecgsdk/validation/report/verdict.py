"""The verdict: measures become plain sentences, by the table of rules.

A sentence says what was measured and no more: finding little is called "at most faint signs". Where too few records
leave it open, it begins with that; where it is not known that the attacks would have found anything, no level is given.
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

_LONGEST_REASON = 160
"""Letters of a reason that a finding repeats; a longer one is read in its section."""


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
    few = _too_few(rule, level, measure)
    if few:
        return Finding(rule.section, "unknown", _left_open(rule, measure, few))
    text = _sentence(rule, level, measure, measures)
    doubt = _blindness(measures) if level == "good" and rule.needs_control else ""
    return Finding(rule.section, "unknown", f"{text} {doubt}") if doubt else Finding(rule.section, level, text)


def _too_few(rule: Rule, level: Level, measure: Measure) -> list[str]:
    """Why there are too few records for the level to stand; nothing if there are enough."""
    reasons = [_interval(measure)] if _open(rule, level, measure) else []
    if measure.n is not None and measure.n < rule.fewest and level not in rule.told_by_few:
        reasons.append(f"{number(measure.n)} {rule.counted} where {number(rule.fewest)} are needed")
    if (finite(measure.floor) or 0.0) > rule.highest_floor:
        reasons.append("and chance alone differs as much")
    return reasons


def _left_open(rule: Rule, measure: Measure, reasons: Sequence[str]) -> str:
    """What the few records leave open, the figure, and why; no word of judgement, which they do not bear."""
    value = with_unit(number(measure.value, unit=measure.unit), measure.unit)
    named = f" ({measure.title})" if measure.title else ""
    return f"So few {rule.counted} leave open {rule.topic}: {', '.join((value, *reasons))}{named}."


def _open(rule: Rule, level: Level, measure: Measure) -> bool:
    """Whether the 95 % interval reaches from good to poor."""
    readings = (rule.read(end, measure.floor) for end in (measure.low, measure.high))
    levels = {level, *(rule.level(reading) for reading in readings if reading is not None)}
    return levels >= {"good", "poor"}


def _interval(measure: Measure) -> str:
    places = decimals((measure.value,), measure.unit)
    low, high = (number(end, places, measure.unit) for end in (measure.low, measure.high))
    return f"95 % interval {low} to {with_unit(high, measure.unit)}"


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
    who = measure.title.rpartition(": ")[0]
    return rule.sentence.format(
        **{name: with_unit(number(figure, places, measure.unit), measure.unit) for name, figure in shown.items()},
        times=number(measure.value / measure.floor, 1) if measure.value and measure.floor else number(None),
        word=_of_level(rule.words, level),
        end=_of_level(rule.ends, level),
        who=who,
        detail=_detail(rule.detail, measures),
        tested=rule.tested.format(who=who, n=number(measure.n)) if who else "",
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
    """What a section lacks, with the reason where it is one short one; several are read in the section."""
    topics = "; ".join(rule.topic for rule in missing)
    reasons = [f"{one.what[:1].upper()}{one.what[1:]}: {one.why.rstrip('.')}." for one in section.failures]
    short = len(reasons) == 1 and len(reasons[0]) <= _LONGEST_REASON
    why = reasons[0] if short else f"The section “{section.title}” says why."
    return Finding(section.name, "unknown", f"Not measured: {topics}. {why}" if reasons else f"Not measured: {topics}.")
