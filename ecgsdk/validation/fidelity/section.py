"""The report's section on fidelity: how alike real and synthetic ECGs are as two sets of records."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.conditions import GROUPS
from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.validation.fidelity.feature_distances import frechet_distance, kernel_distance
from ecgsdk.validation.fidelity.figures import FIGURES, RecordSet, compare, compare_crossed
from ecgsdk.validation.fidelity.spectra import BANDS, frequencies
from ecgsdk.validation.fidelity.spectral_distances import band_power_ratios
from ecgsdk.validation.results import Chart, Failure, Measure, Section, Series, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgsdk.validation.fidelity.feature_distances import Estimate
    from ecgsdk.validation.fidelity.figures import Figure
    from ecgsdk.validation.profile import Profile
    from ecgsdk.validation.results import Cell

__all__ = ["FEWEST", "section"]

FEWEST = 50
"""Records below which nothing here is measured."""

_ABOUT = (
    "Compares the real ECGs with the synthetic ones as two sets of records. Every figure stands beside its floor: the "
    "same figure between two halves of the real ECGs, the best that any generator can be expected to reach."
)
_CHART_LEADS = ("II", "V2", "V5")
_PAIRS_SHOWN = 8
_WIDTH_95 = 1.96


def section(
    real: tuple[Profile, Profile],
    synthetic: tuple[Profile, Profile],
    *,
    reference: Profile | None = None,
    seed: int = 0,
) -> Section:
    """The section on fidelity.

    Every figure is the mean of real half A beside synthetic set B and of real half B beside synthetic set A, and its
    floor that of A beside B, all at the number of records of the smallest of the four. So a synthetic twin is never
    compared with the very record whose condition it was asked for.

    Args:
        real: halves A and B, of different records.
        synthetic: records asked for with the conditions of A and of B, or simply as many.
        reference: real ECGs that the generator could learn from. How far they are from A and B themselves is told in
            a table: a generator that learned them perfectly would be as far.
        seed: of the folds and groups drawn.
    """
    began = time.monotonic()
    n = min(map(len, (*real, *synthetic)))
    if n < FEWEST:
        failure = Failure(
            "fidelity",
            f"{2 * FEWEST} real test records with a synthetic partner are needed, in two halves of {FEWEST}; the "
            f"smaller half has {n}; give more real ECGs to test on, and synthetic ones of their groups",
        )
        return Section("fidelity", "Fidelity", _ABOUT, failures=(failure,))
    first, second, made_first, made_second = (RecordSet.of(part, n, seed) for part in (*real, *synthetic))
    floor = compare(first, second, seed)
    found = compare_crossed((first, made_second), (second, made_first), seed)
    measures = [_measure(figure, found[figure.name], floor[figure.name], n) for figure in FIGURES]
    split = []
    if reference is not None and len(reference) >= 2 * FEWEST:
        split.append(_split_table(measures, (first, second), reference, seed))
    groups, notes = _group_table((first, second), (made_first, made_second))
    return Section(
        name="fidelity",
        title="Fidelity",
        about=_ABOUT,
        measures=tuple(measures),
        tables=(
            *split,
            *([groups] if groups.rows else []),
            _band_table((first, second), (made_first, made_second)),
            _correlation_table((first, second), (made_first, made_second)),
        ),
        charts=tuple(_charts((first, second), (made_first, made_second))),
        notes=notes,
        seconds=time.monotonic() - began,
    )


def _measure(figure: Figure, found: Estimate, floor: Estimate, n: int) -> Measure:
    low, high = np.clip([found.value + side * _WIDTH_95 * found.error for side in (-1, 1)], *figure.limits)
    return Measure(
        name=figure.name,
        title=figure.title,
        value=found.value,
        unit=figure.unit,
        better=figure.better,
        floor=floor.value,
        low=float(low),
        high=float(high),
        n=2 * n,
        about=figure.about,
    )


def _split_table(measures: list[Measure], real: tuple[RecordSet, RecordSet], reference: Profile, seed: int) -> Table:
    """Each figure, its floor, and the same figure of the reference."""
    n = min(len(real[0]), len(reference) // 2)
    chosen = np.random.default_rng(seed).permutation(len(reference))[: 2 * n]
    parts = [RecordSet.at(reference, rows) for rows in (chosen[:n], chosen[n:])]
    halves = real if n == len(real[0]) else [RecordSet.of(half, n, seed) for half in real]
    found = compare_crossed((halves[0], parts[1]), (halves[1], parts[0]), seed)
    rows = tuple((m.title, m.unit, m.value, m.floor, found[m.name].value) for m in measures)
    return Table(
        "fidelity_split",
        "What the choice of test ECGs alone makes",
        ("figure", "unit", "synthetic", "floor", "real ECGs trained on"),
        rows,
        "The last column puts real ECGs that the generator could learn from in the place of the synthetic ones, "
        f"{n} a set: a generator that learned them perfectly would reach this and not the floor.",
    )


def _group_table(
    real: tuple[RecordSet, RecordSet], synthetic: tuple[RecordSet, RecordSet]
) -> tuple[Table, tuple[str, ...]]:
    """Distances of each standard group that has enough records, and a note that names the others."""
    rows, left_out = [], []
    for group in GROUPS:
        parts = [part.in_group(group) for part in (*real, *synthetic)]
        n = min(map(len, parts))
        if n < FEWEST:
            left_out.append(f"{group} ({n})")
            continue
        first, second, made_first, made_second = (part[:n] for part in parts)
        crossed = ((first, made_second), (second, made_first))
        rows.append(
            (
                group,
                n,
                float(np.mean([frechet_distance(*pair) for pair in crossed])),
                frechet_distance(first, second),
                float(np.mean([kernel_distance(*pair).value for pair in crossed])),
                kernel_distance(first, second).value,
            )
        )
    columns = ("group", "records a set", "Fréchet distance", "its floor", "kernel distance", "its floor")
    note = "The Fréchet distance grows as records get fewer: compare it with its floor, not between groups."
    table = Table("fidelity_groups", "Distances of encoder features by group", columns, tuple(rows), note)
    few = f"Too few records to measure these groups alone ({FEWEST} a set are needed): {', '.join(left_out)}."
    return table, (few,) if left_out else ()


def _band_table(real: tuple[RecordSet, RecordSet], synthetic: tuple[RecordSet, RecordSet]) -> Table:
    ratios = band_power_ratios(*(np.concatenate([part.powers for part in sets]) for sets in (real, synthetic)))
    between = band_power_ratios(real[0].powers, real[1].powers)
    rows: list[tuple[Cell, ...]] = [(lead, *map(float, row)) for lead, row in zip(INDEPENDENT_LEADS, ratios)]
    return Table(
        "fidelity_bands",
        "Power of synthetic over real ECGs, by lead and band",
        ("lead", *(f"{low:g}–{high:g} Hz" for low, high in BANDS)),
        tuple(rows),
        "Ratios of the median power; 1 is equal. Between the two real halves they lie from "
        f"{np.nanmin(between):.2f} to {np.nanmax(between):.2f}.",
    )


def _correlation_table(real: tuple[RecordSet, RecordSet], synthetic: tuple[RecordSet, RecordSet]) -> Table:
    halves = [part.correlations.mean(axis=0, dtype=np.float64) for part in (*real, *synthetic)]
    means = [(halves[k] + halves[k + 1]) / 2 for k in (0, 2)]
    difference = means[1] - means[0]
    pairs = list(zip(*np.triu_indices(len(INDEPENDENT_LEADS), 1)))
    rows = []
    for k in np.argsort(-np.abs(difference), kind="stable")[:_PAIRS_SHOWN]:
        name = "–".join(INDEPENDENT_LEADS[lead] for lead in pairs[k])
        rows.append(
            (
                name,
                float(means[0][k]),
                float(means[1][k]),
                float(difference[k]),
                float(abs(halves[1][k] - halves[0][k])),
            )
        )
    return Table(
        "fidelity_correlations",
        "Lead correlations that differ most",
        ("leads", "real", "synthetic", "difference", "between the real halves"),
        tuple(rows),
        "Pearson correlation over time, mean over the records.",
    )


def _charts(real: tuple[RecordSet, RecordSet], synthetic: tuple[RecordSet, RecordSet]) -> Iterator[Chart]:
    """Median spectra of some leads, from the first line above 0 Hz."""
    lines = tuple(float(f) for f in frequencies(real[0].spectra.shape[-1])[1:])
    for lead in _CHART_LEADS:
        curves = [_median_spectrum(sets, INDEPENDENT_LEADS.index(lead)) for sets in (real, synthetic)]
        yield Chart(
            f"spectrum_{lead.lower()}",
            f"Median power spectrum, lead {lead}",
            "frequency (Hz)",
            "power density (mV²/Hz)",
            (Series("real", lines, curves[0], "real"), Series("synthetic", lines, curves[1], "synthetic")),
            log_y=True,
        )


def _median_spectrum(sets: tuple[RecordSet, RecordSet], lead: int) -> tuple[float, ...]:
    median = np.median(np.concatenate([part.spectra[:, lead, 1:] for part in sets]), axis=0)
    return tuple(float(density) for density in median)
