"""Each figure of each standard group, real beside synthetic: medians, distances, and whether the medians agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.conditions import GROUPS
from ecgsdk.validation.physiology.intervals import FIGURES
from ecgsdk.validation.physiology.wasserstein import (
    FEWEST,
    SPLITS,
    Distance,
    circular_centre,
    distance_and_floor,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecgsdk.validation.profile import Profile

__all__ = ["ALL", "FAMILIES", "Comparison", "Grouped", "compare", "family_of", "median_agrees", "shares_that_agree"]

ALL = "all"
"""Name of the group of all records."""

FAMILIES = ("PR", "QRS", "QTc", "axis", "R", "S")
"""Kinds of figures whose medians are held against bounds."""

_RELATIVE = 0.05
_ABSOLUTE = {"ms": 10.0, "mV": 0.05, "°": 10.0}
_INTERVAL_FAMILIES = {"pr_ms": "PR", "qrs_ms": "QRS", "qtc_ms": "QTc", "axis_deg": "axis"}
_WITHOUT_P = ("afib", ("pr_ms", "p_ii_mv"))


@dataclass(frozen=True)
class Comparison:
    """One figure in one group.

    Attributes:
        figure: its name in `FIGURES`.
        group: of `GROUPS`, or `ALL`.
        n_real, n_synthetic: records in which it was measured.
        real, synthetic: medians; NaN with fewer than five values. Angles are taken within 180° of the real median, so
            that a synthetic one may lie beyond ±180°.
        difference: synthetic minus real.
        distance: None with fewer than ten real or five synthetic values.
        agrees: whether the medians agree; None where one is missing.
        agrees_by_chance: share of splits in which the medians of two halves of the real records agree.
    """

    figure: str
    group: str
    n_real: int
    n_synthetic: int
    real: float
    synthetic: float
    difference: float
    distance: Distance | None
    agrees: bool | None
    agrees_by_chance: float

    @property
    def ratio(self) -> float:
        """Distance over its floor; NaN where there is none."""
        if self.distance is None or self.distance.floor <= 0:
            return math.nan
        return self.distance.value / self.distance.floor


@dataclass(frozen=True, eq=False)
class Grouped:
    """A profile whose records are sorted into groups.

    Attributes:
        masks: which records are in each group, `ALL` first; a record is in a group if it carries any of its statements.
    """

    profile: Profile
    masks: dict[str, np.ndarray]

    @classmethod
    def of(cls, profile: Profile) -> Grouped:
        """The profile, sorted by its conditions."""
        groups = [condition.groups() for condition in profile.conditions]
        masks = {name: np.array([name in found for found in groups], dtype=bool) for name in GROUPS}
        return cls(profile, {ALL: np.ones(len(groups), dtype=bool), **masks})

    def __len__(self) -> int:
        return len(self.profile)

    def values(self, figure: str, group: str = ALL) -> np.ndarray:
        """A figure of the group's records, NaN where it was not measured."""
        return self.profile.figures[figure][self.masks[group]]


def compare(real: Grouped, synthetic: Grouped, *, seed: int = 0) -> list[Comparison]:
    """All figures in all groups; the P wave's are left out in atrial fibrillation, which has none."""
    found = []
    for i, group in enumerate(real.masks):
        for j, name in enumerate(FIGURES):
            if group == _WITHOUT_P[0] and name in _WITHOUT_P[1]:
                continue
            random = np.random.default_rng((seed, i, j))
            found.append(_compared(name, group, real.values(name, group), synthetic.values(name, group), random))
    return found


def family_of(figure: str) -> str | None:
    """Which of `FAMILIES` a figure belongs to."""
    if figure[:2] in ("r_", "s_"):
        return figure[0].upper()
    return _INTERVAL_FAMILIES.get(figure)


def median_agrees(figure: str, real: float, difference: float) -> bool:
    """Whether a median is within 5 %, 10 ms, 10° or 0.05 mV (half a small square) of the real one.

    The more generous of the two counts: no reader sees less.
    """
    unit = FIGURES[figure].unit
    relative = 0.0 if unit == "°" else _RELATIVE * abs(real)
    return abs(difference) <= max(relative, _ABSOLUTE.get(unit, 0.0))


def shares_that_agree(comparisons: Iterable[Comparison]) -> dict[str, tuple[int, float, float]]:
    """For each family: number of medians in the groups, share of them that agree, and the share by chance.

    A median counts if both are known, so that the two shares are of the same figures and groups.
    """
    found: dict[str, list[Comparison]] = {family: [] for family in FAMILIES}
    for comparison in comparisons:
        family = family_of(comparison.figure)
        known = comparison.agrees is not None and math.isfinite(comparison.agrees_by_chance)
        if family is not None and comparison.group != ALL and known:
            found[family].append(comparison)
    return {
        family: (
            len(members),
            _mean([float(bool(member.agrees)) for member in members]),
            _mean([member.agrees_by_chance for member in members]),
        )
        for family, members in found.items()
    }


def _compared(
    name: str, group: str, real: np.ndarray, synthetic: np.ndarray, random: np.random.Generator
) -> Comparison:
    real, synthetic = (values[np.isfinite(values)] for values in (real, synthetic))
    if FIGURES[name].unit == "°":
        centre = circular_centre(real)
        centre = float(np.median(unwrapped(real, centre))) if len(real) else 0.0
        real, synthetic = unwrapped(real, centre), unwrapped(synthetic, centre)
    medians = [float(np.median(values)) if len(values) >= FEWEST else math.nan for values in (real, synthetic)]
    difference = medians[1] - medians[0]
    return Comparison(
        figure=name,
        group=group,
        n_real=len(real),
        n_synthetic=len(synthetic),
        real=medians[0],
        synthetic=medians[1],
        difference=difference,
        distance=distance_and_floor(real, synthetic, random),
        agrees=median_agrees(name, medians[0], difference) if math.isfinite(difference) else None,
        agrees_by_chance=_chance(name, real, random),
    )


def _chance(name: str, real: np.ndarray, random: np.random.Generator) -> float:
    half = len(real) // 2
    if half < FEWEST or family_of(name) is None:
        return math.nan
    agreed = 0
    for _ in range(SPLITS):
        order = random.permutation(real)
        first, second = np.median(order[:half]), np.median(order[half : 2 * half])
        agreed += median_agrees(name, float(first), float(second - first))
    return agreed / SPLITS


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
