"""How far synthetic records lie from real ones in a feature space: Fréchet and kernel distance, precision and recall,
density and coverage, and how well a linear classifier tells them apart.

All take features of real and of synthetic records, shapes (n, d) and (m, d), and keep no more than a block of the
distances between them in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.scores import auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Estimate",
    "density_coverage",
    "frechet_distance",
    "jackknife",
    "kernel_distance",
    "mean_estimate",
    "nearest_distances",
    "neighbour_radii",
    "precision_recall",
    "two_sample_auc",
]

_BLOCK = 1024
_GROUPS = 10
_FOLDS = 5


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error over the draw of the records."""

    value: float
    error: float


def mean_estimate(first: Estimate, second: Estimate) -> Estimate:
    """Mean of two estimates that share no records."""
    return Estimate((first.value + second.value) / 2, math.hypot(first.error, second.error) / 2)


def jackknife(statistic: Callable[[np.ndarray], float], n: int, *, seed: int = 0, groups: int = _GROUPS) -> Estimate:
    """A statistic of n records, with the standard error that leaving out a group at a time shows.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 11. Unlike a bootstrap it doubles no record,
    which would bring nearest neighbours to distance 0 and shrink covariances.

    Args:
        statistic: of the positions of the records kept.
    """
    groups = min(groups, n)
    group = np.random.default_rng(seed).permutation(n) % groups
    without = np.array([statistic(np.flatnonzero(group != left_out)) for left_out in range(groups)])
    error = math.sqrt((groups - 1) * float(without.var()))
    return Estimate(statistic(np.arange(n)), error)


def frechet_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Squared 2-Wasserstein distance between the Gaussians of both sets' means and covariances; 0 for equal ones.

    |m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁ᐟ² C₂ C₁ᐟ²)ᐟ²), roots of the first factor throughout (Dowson and Landau 1982,
    Journal of Multivariate Analysis 12:450; Heusel et al. 2017, arXiv 1706.08500). It grows as records get fewer:
    compare only at equal numbers.
    """
    first, second = np.asarray(real, np.float64), np.asarray(synthetic, np.float64)
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    shift = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    spread = np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.sqrt(product.clip(0)).sum()
    return max(float(shift + spread), 0.0)


def kernel_distance(real: np.ndarray, synthetic: np.ndarray) -> Estimate:
    """Unbiased squared maximum mean discrepancy under the kernel (x·y / d + 1)³; about 0, also below, for equal ones.

    Bińkowski et al. 2018, arXiv 1801.01401 (kernel inception distance), over all pairs rather than blocks of them.
    The error is that of the U-statistic's first projection (Serfling 1980, section 5.5).
    """
    n, m = len(real), len(synthetic)
    among_real, among_synthetic = _kernel_sums(real), _kernel_sums(synthetic)
    of_real, of_synthetic = np.zeros(n), np.zeros(m)
    for rows, kernel in _kernel_blocks(real, synthetic):
        of_real[rows] = kernel.sum(axis=1, dtype=np.float64)
        of_synthetic += kernel.sum(axis=0, dtype=np.float64)
    by_real = among_real / (n - 1) - of_real / m
    by_synthetic = among_synthetic / (m - 1) - of_synthetic / n
    error = 2 * math.sqrt(by_real.var() / n + by_synthetic.var() / m)
    return Estimate(float(by_real.mean() + by_synthetic.mean()), error)


def neighbour_radii(features: np.ndarray, ks: tuple[int, ...]) -> dict[int, np.ndarray]:
    """Squared distance of each record to its k-th nearest other, shape (n,), for each k; the farthest of fewer."""
    nearest = [min(k, len(features) - 1) - 1 for k in ks]
    radii = np.empty((len(ks), len(features)), dtype=features.dtype)
    for rows, block in _squared_distances(features, features):
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = np.inf
        block.partition(sorted(set(nearest)), axis=1)
        radii[:, rows] = block[:, nearest].T
    return dict(zip(ks, radii))


def precision_recall(
    real: np.ndarray,
    synthetic: np.ndarray,
    k: int = 3,
    *,
    radii: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Estimate, Estimate]:
    """Share of synthetic records within the real ones' manifold, and of real ones within the synthetic ones'.

    Kynkäänniemi et al. 2019, arXiv 1904.06991: a manifold is the union of spheres around its records, each as wide
    as the distance to the record's k-th nearest neighbour.

    Args:
        radii: `neighbour_radii` of both for this k, where they are known.
    """
    radii_real, radii_synthetic = radii or (neighbour_radii(part, (k,))[k] for part in (real, synthetic))
    precise, recalled = np.zeros(len(synthetic), bool), np.zeros(len(real), bool)
    for rows, squares in _squared_distances(real, synthetic):
        precise |= (squares <= radii_real[rows, None]).any(axis=0)
        recalled[rows] = (squares <= radii_synthetic).any(axis=1)
    return _mean(precise), _mean(recalled)


def density_coverage(
    real: np.ndarray, synthetic: np.ndarray, k: int = 5, *, radii: np.ndarray | None = None
) -> tuple[Estimate, Estimate]:
    """How many real records' spheres hold a synthetic one, over k, and the share of real spheres that hold any.

    Naeem et al. 2020, arXiv 2002.09797; spheres reach to the k-th nearest real neighbour. For equal distributions the
    density is about 1 and the coverage about 1 − 2⁻ᵏ.

    Args:
        radii: `neighbour_radii` of the real records for this k, where they are known.
    """
    radii = neighbour_radii(real, (k,))[k] if radii is None else radii
    inside, covered = np.zeros(len(synthetic)), np.zeros(len(real), bool)
    for rows, squares in _squared_distances(real, synthetic):
        held = squares <= radii[rows, None]
        inside += held.sum(axis=0)
        covered[rows] = held.any(axis=1)
    return _mean(inside / k), _mean(covered)


def nearest_distances(features: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Euclidean distance of each record to the nearest one of `reference`, or to the nearest other; shape (n,)."""
    if reference is None:
        return np.sqrt(neighbour_radii(features, (1,))[1])
    return np.sqrt(np.concatenate([block.min(axis=1) for _, block in _squared_distances(features, reference)]))


def two_sample_auc(real: np.ndarray, synthetic: np.ndarray, *, seed: int = 0) -> Estimate:
    """Area under the ROC curve of a ridge regression that tells synthetic from real records it was not fitted on.

    0.5 where it cannot, 1 where it always can (classifier two-sample test: Lopez-Paz and Oquab 2017, arXiv
    1610.06545). It sees each feature and its square, so that it finds what is shifted and what varies less; five
    folds. The error is that of Hanley and McNeil 1982, Radiology 143:29.
    """
    inputs = np.concatenate([real, synthetic])
    labels = np.repeat(np.array([0, 1], np.float32), [len(real), len(synthetic)])
    random = np.random.default_rng(seed)
    fold = np.concatenate([random.permutation(len(part)) % _FOLDS for part in (real, synthetic)])
    scores = np.empty(len(inputs))
    for held_out in range(_FOLDS):
        test = fold == held_out
        scores[test] = _ridge_scores(inputs[~test], labels[~test], inputs[test])
    area = auroc(labels, scores)
    return Estimate(area, _area_error(area, len(real), len(synthetic)))


def _ridge_scores(inputs: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Scores of other records by a ridge regression on standardised inputs and their squares."""
    mean, deviation = inputs.mean(axis=0, dtype=np.float64), inputs.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 1e-6 * np.abs(mean), deviation, np.inf)
    fitted, applied = (_with_squares((part - mean) / deviation) for part in (inputs, others))
    gram = fitted.T @ fitted + np.float32(fitted.shape[1]) * np.eye(fitted.shape[1], dtype=np.float32)
    return applied @ np.linalg.solve(gram, fitted.T @ (labels - labels.mean()))


def _with_squares(standardised: np.ndarray) -> np.ndarray:
    # Beyond four deviations an outlier's square would outweigh all other records.
    inputs = np.clip(standardised, -4, 4).astype(np.float32)
    return np.concatenate([inputs, np.square(inputs) - 1], axis=1)


def _area_error(area: float, n: int, m: int) -> float:
    above, twice = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (above - area**2) + (m - 1) * (twice - area**2)
    return math.sqrt(max(variance, 0.0) / (n * m))


def _mean(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def _kernel_blocks(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    width = np.float32(first.shape[1])
    for start in range(0, len(first), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(first)))
        kernel = first[rows] @ second.T
        kernel /= width
        kernel += 1
        yield rows, kernel * kernel * kernel


def _kernel_sums(features: np.ndarray) -> np.ndarray:
    """Sum of the kernel over all other records, shape (n,)."""
    sums = np.empty(len(features))
    for rows, kernel in _kernel_blocks(features, features):
        kernel[np.arange(len(kernel)), np.arange(rows.start, rows.stop)] = 0
        sums[rows] = kernel.sum(axis=1, dtype=np.float64)
    return sums


def _squared_distances(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of the squared distances of `first` (rows) to `second` (columns)."""
    centre = second.mean(axis=0)  # smaller numbers lose fewer digits in the difference below
    first, second = first - centre, second - centre
    squares = np.square(second).sum(axis=1)
    for start in range(0, len(first), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(first)))
        block = first[rows] @ second.T
        block *= -2
        block += squares
        block += np.square(first[rows]).sum(axis=1)[:, None]
        yield rows, block.clip(0, out=block)
