"""How far two sets of numbers are apart as distributions, and how far two halves of one set are."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["FEWEST", "SPLITS", "Distance", "circular_centre", "distance_and_floor", "unwrapped", "wasserstein_1"]

FEWEST = 5
"""Values below which no median and no distance is given."""

SPLITS = 11
"""Random splits of the real records over which distance and floor are taken."""


class Distance(NamedTuple):
    """Wasserstein-1 distances in the figure's unit, between sets of `n` values each.

    Attributes:
        value: synthetic from real.
        floor: real from other real.
    """

    value: float
    floor: float
    n: int


def wasserstein_1(first: np.ndarray, second: np.ndarray) -> float:
    """Area between the distribution functions of two sets of numbers: the mean way from one set to the other.

    The exact 1-Wasserstein (earth mover's) distance in one dimension (Vallender 1974, Theory Probab Appl 18:784), in
    the unit of the numbers; the sets may differ in size. NaN where one is empty.

    >>> wasserstein_1(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    if not len(first) or not len(second):
        return math.nan
    first, second = np.sort(first), np.sort(second)
    values = np.sort(np.concatenate([first, second]))
    below_first = np.searchsorted(first, values[:-1], side="right") / len(first)
    below_second = np.searchsorted(second, values[:-1], side="right") / len(second)
    return float(np.abs(below_first - below_second) @ np.diff(values))


def distance_and_floor(real: np.ndarray, synthetic: np.ndarray, random: np.random.Generator) -> Distance | None:
    """Distance of synthetic from real values beside that of two halves of the real ones, all of equal size.

    The distance between finite sets depends on their size; with equal sizes the two can be compared. Both are
    medians over `SPLITS` random splits.

    Args:
        real, synthetic: finite, shapes (n,) and (m,).

    Returns:
        None where a half has fewer than `FEWEST` values.
    """
    n = min(len(real) // 2, len(synthetic))
    if n < FEWEST:
        return None
    distances = np.empty((SPLITS, 2))
    for split in distances:
        order = random.permutation(len(real))
        half, other = real[order[:n]], real[order[n : 2 * n]]
        split[:] = wasserstein_1(half, random.permutation(synthetic)[:n]), wasserstein_1(half, other)
    value, floor = np.median(distances, axis=0)
    return Distance(float(value), float(floor), n)


def unwrapped(degrees: np.ndarray, centre: float) -> np.ndarray:
    """Angles moved by whole turns to within 180° of `centre`, so that they can be treated as plain numbers."""
    return (degrees - centre + 180) % 360 - 180 + centre


def circular_centre(degrees: np.ndarray) -> float:
    """The direction around which angles lie: that of the sum of their unit vectors, in degrees; 0 for none."""
    radians = np.radians(degrees)
    return math.degrees(math.atan2(np.sin(radians).sum(), np.cos(radians).sum()))
