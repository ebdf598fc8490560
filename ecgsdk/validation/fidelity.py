"""The report's section on fidelity: how alike real and synthetic ECGs are as two sets of records."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ecgsdk.conditions import GROUPS
from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.validation.feature_distances import (
    Estimate,
    density_coverage,
    frechet_distance,
    jackknife,
    kernel_distance,
    mean_estimate,
    precision_recall,
    two_sample_auc,
)
from ecgsdk.validation.results import Chart, Failure, Measure, Section, Series, Table
from ecgsdk.validation.spectra import BANDS, band_powers, frequencies
from ecgsdk.validation.spectral_distances import (
    band_power_distance,
    band_power_ratios,
    correlation_error,
    decibels,
    spectrum_distance,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_SHARE = (0.0, 1.0)
_POSITIVE = (0.0, np.inf)


@dataclass(frozen=True)
class _Figure:
    """What is known of a figure before it is measured."""

    name: str
    title: str
    better: Literal["higher", "lower", "near"]
    about: str
    unit: str = ""
    limits: tuple[float, float] = _POSITIVE


_FIGURES = (
    _Figure(
        "frechet_distance",
        "Fréchet distance of encoder features",
        "lower",
        "Squared 2-Wasserstein distance between Gaussians fitted to the features (Heusel et al. 2017); it depends on "
        "the number of records.",
    ),
    _Figure(
        "kernel_distance",
        "Kernel distance of encoder features",
        "lower",
        "Unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018); about 0 for equal "
        "distributions, whatever the number of records.",
        limits=(-np.inf, np.inf),
    ),
    _Figure(
        "precision",
        "Precision",
        "higher",
        "Share of synthetic ECGs that lie among the real ones (Kynkäänniemi et al. 2019, k = 3).",
        limits=_SHARE,
    ),
    _Figure(
        "recall",
        "Recall",
        "higher",
        "Share of real ECGs that lie among the synthetic ones (Kynkäänniemi et al. 2019, k = 3).",
        limits=_SHARE,
    ),
    _Figure(
        "density",
        "Density",
        "near",
        "Neighbourhoods of real ECGs that hold a synthetic one, over k (Naeem et al. 2020, k = 5); above 1 where "
        "synthetic ECGs crowd in the middle.",
    ),
    _Figure(
        "coverage",
        "Coverage",
        "higher",
        "Share of real ECGs with a synthetic one in their neighbourhood (Naeem et al. 2020, k = 5).",
        limits=_SHARE,
    ),
    _Figure(
        "spectrum_distance_db",
        "Spectrum distance",
        "lower",
        "Mean absolute difference of the mean logarithmic power spectra over leads, five bands from 0.05 to 50 Hz "
        "counting the same (Gray and Markel 1976).",
        unit="dB",
    ),
    _Figure(
        "band_power_distance_db",
        "Band power distance",
        "lower",
        "1-Wasserstein distance of the records' logarithmic band powers, mean over eight leads and five bands; unlike "
        "the spectrum distance it also sees too little variety.",
        unit="dB",
    ),
    _Figure(
        "lead_correlation_error",
        "Lead correlation error",
        "lower",
        "Mean absolute difference of the mean Pearson correlations of the 28 pairs of leads I, II, V1–V6.",
    ),
    _Figure(
        "two_sample_auc_features",
        "Told apart by features, AUC",
        "lower",
        "Area under the ROC curve of a ridge regression on encoder features, band powers and lead correlations that "
        "tells synthetic from real ECGs it has not seen (Lopez-Paz and Oquab 2017); 0.5 where it cannot.",
        limits=_SHARE,
    ),
)


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
            "fidelity", f"{n} records a set are too few; give {2 * FEWEST} real and synthetic ones or more"
        )
        return Section("fidelity", "Fidelity", _ABOUT, failures=(failure,))
    first, second, made_first, made_second = (_Set.of(part, n) for part in (*real, *synthetic))
    floor = _figures(first, second, seed)
    found = _crossed((first, made_second), (second, made_first), seed)
    measures = [_measure(figure, found[figure.name], floor[figure.name], n) for figure in _FIGURES]
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


@dataclass(frozen=True, eq=False)
class _Set:
    """A profile and its logarithmic spectra (dB) and band powers (dB), which several figures need."""

    profile: Profile
    spectra: np.ndarray
    bands: np.ndarray

    @classmethod
    def of(cls, profile: Profile, n: int) -> _Set:
        cut = profile.select(np.arange(n))
        return cls(cut, decibels(cut.spectra), decibels(band_powers(cut.spectra)))

    def inputs(self) -> np.ndarray:
        """What the ridge regression sees: shape (n, features + 40 + 28)."""
        bands = self.bands.reshape(len(self.bands), -1)
        return np.concatenate([self.profile.features, bands, self.profile.correlations], axis=1)


def _crossed(first: tuple[_Set, _Set], second: tuple[_Set, _Set], seed: int) -> dict[str, Estimate]:
    """Mean figures of two pairs of sets."""
    both = [_figures(*pair, seed) for pair in (first, second)]
    return {figure.name: mean_estimate(both[0][figure.name], both[1][figure.name]) for figure in _FIGURES}


def _figures(real: _Set, other: _Set, seed: int) -> dict[str, Estimate]:
    features = real.profile.features, other.profile.features
    n = len(features[0])
    precision, recall = precision_recall(*features)
    density, coverage = density_coverage(*features)
    correlations = real.profile.correlations, other.profile.correlations
    return {
        "frechet_distance": jackknife(
            lambda kept: frechet_distance(features[0][kept], features[1][kept]), n, seed=seed
        ),
        "kernel_distance": kernel_distance(*features),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "spectrum_distance_db": jackknife(
            lambda kept: spectrum_distance(real.spectra[kept], other.spectra[kept]), n, seed=seed
        ),
        "band_power_distance_db": jackknife(
            lambda kept: band_power_distance(real.bands[kept], other.bands[kept]), n, seed=seed
        ),
        "lead_correlation_error": jackknife(
            lambda kept: correlation_error(correlations[0][kept], correlations[1][kept]), n, seed=seed
        ),
        "two_sample_auc_features": two_sample_auc(real.inputs(), other.inputs(), seed=seed),
    }


def _measure(figure: _Figure, found: Estimate, floor: Estimate, n: int) -> Measure:
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


def _split_table(measures: list[Measure], real: tuple[_Set, _Set], reference: Profile, seed: int) -> Table:
    """Each figure, its floor, and the same figure of the reference."""
    n = min(len(real[0].profile), len(reference) // 2)
    parts = [_Set.of(reference.select(np.arange(start, start + n)), n) for start in (0, len(reference) - n)]
    halves = [_Set.of(half.profile, n) for half in real]
    found = _crossed((halves[0], parts[1]), (halves[1], parts[0]), seed)
    rows = tuple((m.title, m.unit, m.value, m.floor, found[m.name].value) for m in measures)
    return Table(
        "fidelity_split",
        "What the choice of test ECGs alone makes",
        ("figure", "unit", "synthetic", "floor", "real ECGs trained on"),
        rows,
        "The last column puts real ECGs that the generator could learn from in the place of the synthetic ones, "
        f"{n} a set: a generator that learned them perfectly would reach this and not the floor.",
    )


def _group_table(real: tuple[_Set, _Set], synthetic: tuple[_Set, _Set]) -> tuple[Table, tuple[str, ...]]:
    """Distances of each standard group that has enough records, and a note that names the others."""
    rows, left_out = [], []
    for group in GROUPS:
        parts = [_features_of(part.profile, group) for part in (*real, *synthetic)]
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


def _features_of(profile: Profile, group: str) -> np.ndarray:
    return profile.features[[group in condition.groups() for condition in profile.conditions]]


def _band_table(real: tuple[_Set, _Set], synthetic: tuple[_Set, _Set]) -> Table:
    ratios = band_power_ratios(_spectra(real), _spectra(synthetic))
    between = band_power_ratios(real[0].profile.spectra, real[1].profile.spectra)
    rows: list[tuple[Cell, ...]] = [(lead, *map(float, row)) for lead, row in zip(INDEPENDENT_LEADS, ratios)]
    return Table(
        "fidelity_bands",
        "Power of synthetic over real ECGs, by lead and band",
        ("lead", *(f"{low:g}–{high:g} Hz" for low, high in BANDS)),
        tuple(rows),
        "Ratios of the median power; 1 is equal. Between the two real halves they lie from "
        f"{np.nanmin(between):.2f} to {np.nanmax(between):.2f}.",
    )


def _correlation_table(real: tuple[_Set, _Set], synthetic: tuple[_Set, _Set]) -> Table:
    halves = [part.profile.correlations.mean(axis=0, dtype=np.float64) for part in (*real, *synthetic)]
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


def _charts(real: tuple[_Set, _Set], synthetic: tuple[_Set, _Set]) -> Iterator[Chart]:
    """Median spectra of some leads, from the first line above 0 Hz."""
    medians = [np.median(_spectra(sets), axis=0) for sets in (real, synthetic)]
    lines = tuple(float(f) for f in frequencies(medians[0].shape[-1])[1:])
    for lead in _CHART_LEADS:
        position = INDEPENDENT_LEADS.index(lead)
        curves = [tuple(float(v) for v in median[position, 1:]) for median in medians]
        yield Chart(
            f"spectrum_{lead.lower()}",
            f"Median power spectrum, lead {lead}",
            "frequency (Hz)",
            "power density (mV²/Hz)",
            (Series("real", lines, curves[0], "real"), Series("synthetic", lines, curves[1], "synthetic")),
            log_y=True,
        )


def _spectra(sets: tuple[_Set, _Set]) -> np.ndarray:
    return np.concatenate([part.profile.spectra for part in sets])
