"""Parts of a report's sections as HTML: measures, tables, charts, ECGs side by side, notes and failures."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ecgsdk.conditions import GROUPS, STATEMENTS
from ecgsdk.validation.report.markup import Markup, element, join, prose
from ecgsdk.validation.report.rounding import DASH, column_texts, decimals, finite, number, with_unit
from ecgsdk.validation.report.strips import ecg_svg
from ecgsdk.validation.report.svg import chart_svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ecgsdk.validation.results import Cell, Chart, Failure, Measure, Sample, Section, Table

__all__ = ["MOST_ROWS", "Budget", "interval_text", "measure_texts", "section_block"]

MOST_ROWS = 400
"""Rows of a table that the page shows; report.json holds them all."""

_LONG = 36
"""Letters from which on a cell may be broken into lines."""

_BETTER = {"higher": "higher", "lower": "lower", "near": "as among real", "": DASH}
_MEASURE_COLUMNS = ("Measure", "Value", "95 % interval", "Among real ECGs", "Better", "Records")


class Budget:
    """How much drawing the page has room for, so that it stays small whatever plugins put into it."""

    def __init__(self, characters: int) -> None:
        self.left = characters

    def spend(self, drawing: Markup) -> Markup | None:
        """The drawing, or None where it is too much."""
        if len(drawing) > self.left:
            return None
        self.left -= len(drawing)
        return drawing


def section_block(section: Section, identifier: str, budget: Budget) -> Markup:
    """A section with everything in it; ids within begin with `identifier`."""
    heading = element("h2", section.title, id=f"{identifier}-heading")
    tables = [_table(table, f"{identifier}-table-{i}") for i, table in enumerate(section.tables)]
    return element(
        "section",
        heading,
        element("p", prose(section.about), class_="about") if section.about else None,
        _failures(section.failures),
        _measures(section.measures, section.title, f"{identifier}-measures"),
        _charts(section.charts, identifier, budget),
        *tables,
        _samples(section.samples, identifier, budget),
        _notes(section.notes),
        id=identifier,
        aria_labelledby=f"{identifier}-heading",
    )


def measure_texts(measure: Measure) -> tuple[str, str]:
    """Value and floor with their unit, rounded alike."""
    places = decimals((measure.value, measure.floor), measure.unit)
    shown = (number(value, places, measure.unit) for value in (measure.value, measure.floor))
    value, floor = (with_unit(text, measure.unit) for text in shown)
    return value, floor


def interval_text(measure: Measure) -> str:
    """Both ends of the 95 % interval, a dash where there is none."""
    if finite(measure.low) is None or finite(measure.high) is None:
        return DASH
    places = decimals((measure.value, measure.floor), measure.unit)
    low, high = (number(end, places, measure.unit) for end in (measure.low, measure.high))
    return with_unit(f"{low} to {high}", measure.unit)


def _measures(measures: Sequence[Measure], title: str, identifier: str) -> Markup | None:
    if not measures:
        return None
    return element(
        "div",
        element(
            "table",
            element("caption", f"Measures: {title}"),
            element("thead", _measure_head(), role="rowgroup"),
            element("tbody", *(_measure_row(measure) for measure in measures), role="rowgroup"),
            class_="measures",
            role="table",
        ),
        id=identifier,
    )


def _measure_head() -> Markup:
    cells = [element("th", name, scope="col", role="columnheader") for name in _MEASURE_COLUMNS]
    return element("tr", *cells, role="row")


def _measure_row(measure: Measure) -> Markup:
    value, floor = measure_texts(measure)
    n = DASH if measure.n is None else number(measure.n, 0)
    head = element("th", _measure_name(measure), scope="row", role="rowheader")
    shown = element("td", value, role="cell", data_label="Value", class_="value")
    others = zip(_MEASURE_COLUMNS[2:], (interval_text(measure), floor, _BETTER[measure.better], n))
    cells = [
        element("td", cell, role="cell", data_label=name, class_="none" if cell == DASH else None)
        for name, cell in others
    ]
    return element("tr", head, shown, *cells, role="row")


def _measure_name(measure: Measure) -> Markup:
    key = element("code", measure.name)
    about = element("p", join([prose(measure.about), key], between=" "))
    return element("details", element("summary", measure.title), about)


def _table(table: Table, identifier: str) -> Markup:
    columns = list(zip_longest(*table.rows[:MOST_ROWS], fillvalue=None))
    numeric = [_numeric(column) for column in columns]
    rows = list(zip(*(column_texts(column) for column in columns)))
    head = [
        element("th", name, scope="col", class_="number" if right else None)
        for name, right in zip_longest(table.columns, numeric[: len(table.columns)], fillvalue=False)
    ]
    note = table.note
    if len(table.rows) > MOST_ROWS:
        note = f"{note} The first {MOST_ROWS} of {len(table.rows):,} rows; report.json holds them all.".strip()
    caption = element("caption", table.title, id=f"{identifier}-caption")
    body = element("tbody", *(_table_row(row, numeric) for row in rows))
    whole = element("table", caption, element("thead", element("tr", *head)), body)
    # A wide table is scrolled sideways; the keyboard reaches it too.
    scrolled = element(
        "div", whole, class_="scroll", tabindex="0", role="region", aria_labelledby=f"{identifier}-caption"
    )
    return element("div", scrolled, element("p", prose(note), class_="note") if note else None, class_="table")


def _numeric(column: Sequence[Cell]) -> bool:
    known = [cell for cell in column if cell is not None]
    return bool(known) and all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in known)


def _table_row(texts: Sequence[str], numeric: Sequence[bool]) -> Markup:
    kinds = ["number" if right else "long" if len(text) > _LONG else None for text, right in zip(texts, numeric)]
    first = element("th", texts[0], scope="row", class_=kinds[0])
    return element("tr", first, *(element("td", text, class_=kind) for text, kind in zip(texts[1:], kinds[1:])))


def _charts(charts: Sequence[Chart], identifier: str, budget: Budget) -> Markup | None:
    figures = [_chart(chart, f"{identifier}-chart-{i}", budget) for i, chart in enumerate(charts)]
    return element("div", *figures, class_="charts") if figures else None


def _chart(chart: Chart, identifier: str, budget: Budget) -> Markup:
    drawing = budget.spend(chart_svg(chart, identifier))
    note = chart.note if drawing else f"{chart.note} Too large to be drawn here; its figures are in report.json."
    caption = [element("strong", chart.title, class_="title"), element("span", prose(note.strip())) if note else None]
    return element("figure", element("figcaption", join(caption, between=" ")), drawing)


def _samples(samples: Sequence[Sample], identifier: str, budget: Budget) -> Markup | None:
    if not samples:
        return None
    groups = tuple(dict.fromkeys(sample.group for sample in samples))
    blocks = [
        _group_of_samples(group, [s for s in samples if s.group == group], f"{identifier}-ecg-{i}", budget)
        for i, group in enumerate(groups)
    ]
    warning = "The ECGs marked REAL are recordings of patients: handle this page as you handle those data."
    has_real = any(sample.role == "real" for sample in samples)
    scale = (
        "A large square is 0.2 s wide and 0.5 mV high, as at 25 mm/s and 10 mm/mV; each lead is drawn about its median."
    )
    return join([element("p", join([scale, warning if has_real else None], " "), class_="note"), *blocks])


def _group_of_samples(group: str, samples: Sequence[Sample], identifier: str, budget: Budget) -> Markup:
    real = [sample for sample in samples if sample.role == "real"]
    others = [sample for sample in samples if sample.role != "real"]
    pairs = []
    for i, pair in enumerate(zip_longest(real, others)):
        shown = [sample for sample in pair if sample is not None]
        figures = [_ecg(s, f"{identifier}-{i}-{side}", shown, budget) for side, s in enumerate(shown)]
        pairs.append(element("div", *figures, class_="pair"))
    return element("div", element("h3", _group_title(group)), *pairs, class_="group")


def _group_title(group: str) -> str:
    codes = GROUPS.get(group, ())
    meanings = ", ".join(STATEMENTS[code] for code in codes)
    return f"{group}: {meanings}" if meanings else group or "ECGs"


def _ecg(sample: Sample, identifier: str, beside: Sequence[Sample], budget: Budget) -> Markup:
    drawing = budget.spend(ecg_svg(sample, identifier, beside))
    mark = element("strong", sample.role, class_=f"role {sample.role}") if sample.role else None
    if drawing is None:
        drawing = element("p", "The page has no room for more drawings; this ECG is in report.json.", class_="note")
    scrolled = element("div", drawing, class_="paper-scroll", tabindex="0", role="group", aria_label=sample.title)
    return element("figure", element("figcaption", mark, " ", sample.title), scrolled, class_="ecg-figure")


def _notes(notes: Iterable[str]) -> Markup | None:
    items = [element("li", prose(note)) for note in notes]
    return element("div", element("h3", "Notes"), element("ul", *items), class_="notes") if items else None


def _failures(failures: Iterable[Failure]) -> Markup | None:
    items = [element("li", element("strong", failure.what), ": ", prose(failure.why)) for failure in failures]
    if not items:
        return None
    return element("div", element("h3", "Could not be measured"), element("ul", *items), class_="failures")
