"""The figures of fidelity: what each is, and how it is computed for two sets of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ecgsdk.validation.fidelity.feature_distances import (
    Estimate,
    density_coverage,
    frechet_distance,
    jackknife,
    kernel_distance,
    mean_estimate,
    neighbour_radii,
    precision_recall,
    two_sample_auc,
)
from ecgsdk.validation.fidelity.spectra import band_powers
from ecgsdk.validation.fidelity.spectral_distances import (
    band_power_distance,
    correlation_error,
    decibels,
    spectrum_distance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.conditions import Condition
    from ecgsdk.validation.profile import Profile

__all__ = ["FIGURES", "Figure", "RecordSet", "compare", "compare_crossed"]

_MANIFOLD_K, _DENSITY_K = 3, 5
_SHARE = (0.0, 1.0)
_POSITIVE = (0.0, np.inf)


@dataclass(frozen=True)
class Figure:
    """What is known of a figure before it is measured; the attributes are those of `Measure`.

    Attributes:
        limits: least and greatest value that it can have.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "near"]
    about: str
    unit: str = ""
    limits: tuple[float, float] = _POSITIVE


FIGURES = (
    Figure(
        "frechet_distance",
        "Fréchet distance of encoder features",
        "lower",
        "Squared 2-Wasserstein distance between Gaussians fitted to the features (Heusel et al. 2017); it depends on "
        "the number of records.",
    ),
    Figure(
        "kernel_distance",
        "Kernel distance of encoder features",
        "lower",
        "Unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018); about 0 for equal "
        "distributions, whatever the number of records.",
        limits=(-np.inf, np.inf),
    ),
    Figure(
        "precision",
        "Precision",
        "higher",
        "Share of synthetic ECGs that lie among the real ones (Kynkäänniemi et al. 2019, k = 3).",
        limits=_SHARE,
    ),
    Figure(
        "recall",
        "Recall",
        "higher",
        "Share of real ECGs that lie among the synthetic ones (Kynkäänniemi et al. 2019, k = 3).",
        limits=_SHARE,
    ),
    Figure(
        "density",
        "Density",
        "near",
        "Neighbourhoods of real ECGs that hold a synthetic one, over k (Naeem et al. 2020, k = 5); above 1 where "
        "synthetic ECGs crowd in the middle.",
    ),
    Figure(
        "coverage",
        "Coverage",
        "higher",
        "Share of real ECGs with a synthetic one in their neighbourhood (Naeem et al. 2020, k = 5).",
        limits=_SHARE,
    ),
    Figure(
        "spectrum_distance_db",
        "Spectrum distance",
        "lower",
        "Mean absolute difference of the mean logarithmic power spectra over leads, five bands from 0.05 to 50 Hz "
        "counting the same (Gray and Markel 1976).",
        unit="dB",
    ),
    Figure(
        "band_power_distance_db",
        "Band power distance",
        "lower",
        "1-Wasserstein distance of the records' logarithmic band powers, mean over eight leads and five bands; unlike "
        "the spectrum distance it also sees too little variety.",
        unit="dB",
    ),
    Figure(
        "lead_correlation_error",
        "Lead correlation error",
        "lower",
        "Mean absolute difference of the mean Pearson correlations of the 28 pairs of leads I, II, V1–V6.",
    ),
    Figure(
        "two_sample_auc_features",
        "Told apart by features, AUC",
        "lower",
        "Area under the ROC curve of a ridge regression on encoder features, band powers and lead correlations that "
        "tells synthetic from real ECGs it has not seen (Lopez-Paz and Oquab 2017); 0.5 where it cannot.",
        limits=_SHARE,
    ),
)


@dataclass(frozen=True, eq=False)
class RecordSet:
    """What the section needs of n records; views of their profile as far as they can be.

    Attributes:
        powers: by lead and band, mV²/Hz, shape (n, 8, bands).
        radii: squared distances to the third and fifth nearest neighbour in the features.
    """

    conditions: tuple[Condition, ...]
    features: np.ndarray
    spectra: np.ndarray
    correlations: np.ndarray
    powers: np.ndarray
    radii: dict[int, np.ndarray]

    @classmethod
    def of(cls, profile: Profile | RecordSet, n: int, seed: int) -> RecordSet:
        """Of `n` records, drawn at random: PTB-XL's stand in the order of their dates, and devices changed."""
        return cls.at(profile, np.random.default_rng(seed).permutation(len(profile))[:n] if n < len(profile) else None)

    @classmethod
    def at(cls, profile: Profile | RecordSet, chosen: np.ndarray | None) -> RecordSet:
        """Of the records at these positions, or of all."""
        rows = slice(None) if chosen is None else chosen
        features, density = profile.features[rows], profile.spectra[rows]
        conditions = profile.conditions if chosen is None else tuple(profile.conditions[i] for i in chosen)
        radii = neighbour_radii(features, (_MANIFOLD_K, _DENSITY_K))
        return cls(conditions, features, density, profile.correlations[rows], band_powers(density), radii)

    def __len__(self) -> int:
        return len(self.conditions)

    def inputs(self) -> np.ndarray:
        """What the ridge regression sees: shape (n, features + 40 + 28)."""
        bands = decibels(self.powers).reshape(len(self), -1)
        return np.concatenate([self.features, bands, self.correlations], axis=1)

    def in_group(self, group: str) -> np.ndarray:
        """Features of the records of a standard group."""
        return self.features[[group in condition.groups() for condition in self.conditions]]


def compare_crossed(
    first: tuple[RecordSet, RecordSet], second: tuple[RecordSet, RecordSet], seed: int
) -> dict[str, Estimate]:
    """Mean figures of two pairs of sets."""
    both = [compare(*pair, seed) for pair in (first, second)]
    return {figure.name: mean_estimate(both[0][figure.name], both[1][figure.name]) for figure in FIGURES}


def compare(real: RecordSet, other: RecordSet, seed: int) -> dict[str, Estimate]:
    """Each of `FIGURES` for two sets of equally many records, by name."""
    features = real.features, other.features

    def resampled(
        statistic: Callable[[np.ndarray, np.ndarray], float], parts: tuple[np.ndarray, np.ndarray]
    ) -> Estimate:
        return jackknife(lambda kept: statistic(parts[0][kept], parts[1][kept]), len(real), seed=seed)

    radii = real.radii[_MANIFOLD_K], other.radii[_MANIFOLD_K]
    precision, recall = precision_recall(*features, _MANIFOLD_K, radii=radii)
    density, coverage = density_coverage(*features, _DENSITY_K, radii=real.radii[_DENSITY_K])
    return {
        "frechet_distance": resampled(frechet_distance, features),
        "kernel_distance": kernel_distance(*features),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "spectrum_distance_db": resampled(spectrum_distance, (decibels(real.spectra), decibels(other.spectra))),
        "band_power_distance_db": resampled(band_power_distance, (decibels(real.powers), decibels(other.powers))),
        "lead_correlation_error": resampled(correlation_error, (real.correlations, other.correlations)),
        "two_sample_auc_features": two_sample_auc(real.inputs(), other.inputs(), seed=seed),
    }
