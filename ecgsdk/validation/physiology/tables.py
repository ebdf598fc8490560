"""Tables and charts of the physiology section."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.conditions import GROUPS
from ecgsdk.validation.physiology.amplitudes import AMPLITUDE_LEADS
from ecgsdk.validation.physiology.figure_comparisons import ALL, shares_that_agree
from ecgsdk.validation.physiology.intervals import FIGURES, MEASUREMENT_ERROR, P_PRESENT, lead_figure
from ecgsdk.validation.results import Chart, Series, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.validation.physiology.figure_comparisons import Comparison, Grouped
    from ecgsdk.validation.results import Cell

__all__ = [
    "DISTANCE_NOTE",
    "agreement_table",
    "amplitude_tables",
    "equation_table",
    "error_table",
    "figure_tables",
    "histogram",
    "known",
    "medians_table",
    "outside",
    "p_wave_table",
    "plausibility_table",
    "violation_share",
]

_OVERVIEW = ("heart_rate", "pr_ms", "qrs_ms", "qtc_ms", "axis_deg")
_SHOWN = (
    "heart_rate",
    "rr_variation",
    "rr_successive",
    "rr_shortest",
    "rr_longest",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtc_ms",
    "axis_deg",
    "p_ii_mv",
    "p_presence",
    "sokolow_lyon_mv",
)
_COLUMNS = (
    "group",
    "records, real",
    "synthetic",
    "median, real",
    "synthetic",
    "difference",
    "distance",
    "distance, real from real",
    "ratio",
)
_GROUP_TITLES = {ALL: "all", "norm": "normal", "afib": "AF or flutter", "1avb": "1st degree AV block"}
_WAVE_LETTERS = {"r": "R", "s": "S", "st": "ST", "t": "T"}
_BINS = 30
_EQUATION_BOUND_UV = 5.0

DISTANCE_NOTE = (
    "In the tables of figures, the distance is Wasserstein-1 between the distributions of synthetic and real ECGs, in "
    "the figure's unit, beside the distance between two halves of the real ones at the same number of records; the "
    "ratio is the first over the second, 1 where synthetic ECGs differ no more than real ones do."
)
"""How to read distances and their ratios."""


def known(value: float) -> float | None:
    """The value, None for what is no number."""
    return float(value) if math.isfinite(value) else None


def medians_table(comparisons: Sequence[Comparison]) -> Table:
    """The medians that are read first, a row a group."""
    by_key = {(one.group, one.figure): one for one in comparisons}
    columns = ["group", "real", "synthetic"]
    for name in _OVERVIEW:
        columns += [f"{_titled(name)}, real", "synthetic"]
    rows = []
    for group in (ALL, *GROUPS):
        rate = by_key[group, "heart_rate"]
        row: list[Cell] = [_group_title(group), rate.n_real, rate.n_synthetic]
        for name in _OVERVIEW:
            one = by_key.get((group, name))
            row += [known(one.real), known(one.synthetic)] if one else [None, None]
        rows.append(tuple(row))
    note = "A record is in each group of which it carries a statement. PR is not compared in fibrillation and flutter."
    return Table("physiology_medians", "Medians at a glance", tuple(columns), tuple(rows), note)


def figure_tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """A table a figure, a row a group; amplitudes by lead have their own."""
    tables = []
    for name in _SHOWN:
        rows = [_row(one) for one in comparisons if one.figure == name]
        about = FIGURES[name].about
        note = f"{about[0].upper()}{about[1:]}."
        tables.append(Table(f"physiology_{name}", _titled(name), _COLUMNS, tuple(rows), note))
    return tables


def amplitude_tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """R, S, ST and T lead by lead: over all records with the ratio of distances, and medians by group."""
    by_key = {(one.group, one.figure): one for one in comparisons}
    columns, columns_by_group = ["lead"], ["group", "lead"]
    for letter in _WAVE_LETTERS.values():
        columns += [f"{letter} (mV), real", "synthetic", "ratio"]
        columns_by_group += [f"{letter} (mV), real", "synthetic"]
    rows = [
        (lead, *(cell for one in _waves(by_key, ALL, lead) for cell in (*_medians(one), known(one.ratio))))
        for lead in AMPLITUDE_LEADS
    ]
    rows_by_group = [
        (_group_title(group), lead, *(cell for one in _waves(by_key, group, lead) for cell in _medians(one)))
        for group in GROUPS
        for lead in AMPLITUDE_LEADS
    ]
    note = "Medians from the level of the PR segment: R height, S (or Q) depth, ST 60 ms after the QRS, T."
    return [
        Table("physiology_amplitudes", "Amplitudes by lead, all records", tuple(columns), tuple(rows), note),
        Table(
            "physiology_amplitudes_by_group",
            "Amplitudes by group and lead",
            tuple(columns_by_group),
            tuple(rows_by_group),
            note,
        ),
    ]


def agreement_table(comparisons: Sequence[Comparison]) -> Table:
    """How many of the groups' medians agree, a row a kind of figure."""
    rows = [
        (family, n, known(100 * share), known(100 * chance))
        for family, (n, share, chance) in shares_that_agree(comparisons).items()
    ]
    note = (
        "A median agrees within 5 % or 10 ms, 10° or 0.05 mV of the real one, whichever is more. Last column: medians "
        "of one half of the real records of a group beside the other half's."
    )
    columns = ("figure", "medians", "agree (%)", "agree, real with real (%)")
    return Table("physiology_agreement", "Groups' medians that agree", columns, tuple(rows), note)


def equation_table(real: Grouped, synthetic: Grouped) -> Table:
    """Violations of the lead equations, in µV."""
    sets = (("real", real), ("synthetic", synthetic))
    rows = [(name, len(one), *_violations(one.profile.residuals)) for name, one in sets]
    columns = ("ECGs", "records", "median (µV)", "greatest (µV)", f"above {_EQUATION_BOUND_UV:g} µV (%)")
    note = "Greatest violation in each record of III = II − I, aVR = −(I + II) / 2, aVL = I − II / 2, aVF = II − I / 2."
    return Table("lead_equations", "Einthoven's and Goldberger's equations", columns, tuple(rows), note)


def plausibility_table(real: Grouped, synthetic: Grouped) -> Table:
    """Shares of records outside of what a living heart shows, and of those without a measurement, in per cent."""
    rows: list[tuple[Cell, ...]] = []
    for name, figure in FIGURES.items():
        if name not in _SHOWN or figure.plausible is None:
            continue
        low, high = figure.plausible
        shares = [_percent(outside(one, name)) for one in (real, synthetic)]
        missing = [_percent(~np.isfinite(one.values(name))) for one in (real, synthetic)]
        rows.append((_titled(name), f"{low:g} to {high:g}", *shares, *missing))
    columns = ("figure", "expected", "outside, real (%)", "synthetic", "not measured, real (%)", "synthetic")
    note = "Figures that are not measured: too few beats, no usual beat, or no P or T wave that stands out."
    return Table("plausibility", "Implausible and unmeasured figures", columns, tuple(rows), note)


def p_wave_table(real: Grouped, synthetic: Grouped) -> Table:
    """Share of records with a P wave, in per cent, a row a group."""
    rows = []
    for group in (ALL, *GROUPS):
        values = [one.values("p_presence", group) for one in (real, synthetic)]
        rows.append((_group_title(group), *map(len, values), *(_percent(v >= P_PRESENT) for v in values)))
    columns = ("group", "records, real", "synthetic", "with P waves, real (%)", "synthetic")
    note = f"P waves are there where beats have {P_PRESENT:g} or more of their energy before the QRS in common."
    return Table("p_waves", "Records with P waves", columns, tuple(rows), note)


def error_table() -> Table:
    """How far the measurements themselves are from cardiologists."""
    rows = [(_titled(name), *error) for name, error in MEASUREMENT_ERROR.items()]
    columns = ("figure", "bias", "standard deviation", "correlation", "records")
    note = (
        "Ours minus the cardiologists' of LUDB (Kalyakulina et al. 2020, IEEE Access 8:186181) in their usual lead, at "
        "100 Hz. The bias is the same for real and synthetic ECGs; differences of medians are little touched by it."
    )
    return Table("measurement_error", "Error of the measurements against cardiologists", columns, tuple(rows), note)


def histogram(name: str, group: str, real: Grouped, synthetic: Grouped) -> Chart:
    """Steps of a figure's distribution in a group, in per cent of the records in which it was measured."""
    pair = [one.values(name, group) for one in (real, synthetic)]
    pair = [values[np.isfinite(values)] for values in pair]
    both = np.concatenate(pair)
    series: tuple[Series, ...] = ()
    if len(both):
        low, high = np.percentile(both, (0.5, 99.5))
        edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
        series = tuple(_steps(role, values, edges) for role, values in zip(("real", "synthetic"), pair) if len(values))
    title = FIGURES[name].title + ("" if group == ALL else f", {_group_title(group)}")
    return Chart(f"{name}_{group}", title, _titled(name, ", ", ""), "records, %", series, "steps")


def outside(grouped: Grouped, name: str) -> np.ndarray:
    """Which records have a figure outside of its plausible bounds; shape (n,)."""
    bounds, values = FIGURES[name].plausible, grouped.values(name)
    if bounds is None:
        return np.zeros(len(values), dtype=bool)
    return (values < bounds[0]) | (values > bounds[1])


def violation_share(residuals: np.ndarray) -> float:
    """Per cent of records whose lead equations are off by more than 5 µV."""
    return _violations(residuals)[2] or 0.0


def _steps(role: str, values: np.ndarray, edges: np.ndarray) -> Series:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = tuple(float(100 * count / len(values)) for count in counts)
    return Series(role, tuple(map(float, edges[:-1])), shares, "real" if role == "real" else "synthetic")


def _violations(residuals: np.ndarray) -> tuple[float | None, float | None, float | None]:
    if not len(residuals):
        return None, None, None
    above = 100 * np.mean(~(residuals <= _EQUATION_BOUND_UV))
    return known(float(np.median(residuals))), known(float(np.max(residuals))), known(float(above))


def _row(one: Comparison) -> tuple[Cell, ...]:
    distance = (known(one.distance.value), known(one.distance.floor)) if one.distance else (None, None)
    medians = (known(one.real), known(one.synthetic), known(one.difference))
    counts = (one.n_real, one.n_synthetic)
    return (_group_title(one.group), *counts, *medians, *distance, known(one.ratio))


def _waves(by_key: dict[tuple[str, str], Comparison], group: str, lead: str) -> list[Comparison]:
    return [by_key[group, lead_figure(wave, lead)] for wave in _WAVE_LETTERS]


def _medians(one: Comparison) -> tuple[float | None, float | None]:
    return known(one.real), known(one.synthetic)


def _percent(mask: np.ndarray) -> float | None:
    return float(100 * np.mean(mask)) if len(mask) else None


def _titled(name: str, before: str = " (", after: str = ")") -> str:
    figure = FIGURES[name]
    return f"{figure.title}{before}{figure.unit}{after}" if figure.unit else figure.title


def _group_title(group: str) -> str:
    return _GROUP_TITLES.get(group, group.upper())
