"""Whether synthetic records are copies of real ones: memorisation ratio, and whose records they are nearer to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.privacy.neighbours import VIEWS, merge, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecgsdk.validation.privacy.neighbours import Neighbours

__all__ = ["Copying", "copying", "memorisation_ratio", "nearer_share", "share_interval"]

_COPY = 1 / 3
_QUANTILES = (0.05, 0.5)


@dataclass(frozen=True)
class Copying:
    """How near synthetic records come to the training records in one view.

    Attributes:
        view: of `VIEWS`.
        records: synthetic records measured.
        ratio, ratio_floor: memorisation ratio of the synthetic and of the real held-out records.
        nearer, nearer_floor: share of the synthetic, and of other real records, that are nearer to a member than to a
            non-member.
        closest, closest_real: 5th percentile and median of the distance to the nearest training record, of the
            synthetic and of the real held-out records.
    """

    view: str
    records: int
    ratio: float
    ratio_floor: float
    nearer: float
    nearer_floor: float
    closest: tuple[float, ...]
    closest_real: tuple[float, ...]


def copying(
    members: Mapping[str, np.ndarray],
    non_members: Mapping[str, np.ndarray],
    synthetic: Mapping[str, np.ndarray],
    further: Mapping[str, np.ndarray],
    pseudo: Mapping[str, np.ndarray],
) -> tuple[Copying, ...]:
    """The figures in each view.

    Args:
        members, non_members, synthetic: by view, float32 of shape (n, dimensions), NaN where a record has none.
        further: training records other than `members`.
        pseudo: real records that stand in the place of the synthetic ones for the floor.
    """
    return tuple(
        _in_view(name, *(records[name] for records in (members, non_members, synthetic, further, pseudo)))
        for name in VIEWS
    )


def _in_view(
    name: str,
    members: np.ndarray,
    non_members: np.ndarray,
    synthetic: np.ndarray,
    further: np.ndarray,
    pseudo: np.ndarray,
) -> Copying:
    members, non_members, synthetic, pseudo = (_whole(x) for x in (members, non_members, synthetic, pseudo))
    ours, real = (merge(nearest(x, members, 2), nearest(x, further, 2)) for x in (synthetic, non_members))
    return Copying(
        view=name,
        records=len(synthetic),
        ratio=memorisation_ratio(ours),
        ratio_floor=memorisation_ratio(real),
        nearer=nearer_share(synthetic, members, non_members),
        nearer_floor=nearer_share(pseudo, members, non_members),
        closest=_quantiles(ours),
        closest_real=_quantiles(real),
    )


def memorisation_ratio(found: Neighbours) -> float:
    """Share of records that are less than a third as far from the nearest training record as from the second nearest.

    Yoon et al. 2023 (ICML workshop on structured probabilistic inference); Gu et al. 2023 (arXiv 2310.02664).

    Args:
        found: the records' nearest training records, at least two for each.
    """
    if not len(found):
        return math.nan
    return float((found.distances[:, 0] < _COPY * found.distances[:, 1]).mean())


def nearer_share(records: np.ndarray, members: np.ndarray, non_members: np.ndarray) -> float:
    """Share of records that are nearer to a member than to any non-member, of which the same number is taken.

    One half where the members had no part in the records. All arrays float32 of shape (n, dimensions), no NaN.
    """
    size = min(len(members), len(non_members))
    if not size or not len(records):
        return math.nan
    inside, outside = (nearest(records, x[:size], 1).distances[:, 0] for x in (members, non_members))
    return float((inside < outside).mean() + 0.5 * (inside == outside).mean())


def share_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n independent records (Wilson 1927, JASA 22:209); NaN where the share is.

    >>> low, high = share_interval(0.0, 1000)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.0038)
    """
    if math.isnan(share) or not n:
        return math.nan, math.nan
    z = 1.96
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return max(0.0, round(centre - half, 12)), min(1.0, round(centre + half, 12))


def _whole(vectors: np.ndarray) -> np.ndarray:
    return vectors[~np.isnan(vectors).any(axis=1)]


def _quantiles(found: Neighbours) -> tuple[float, ...]:
    if not len(found):
        return tuple(math.nan for _ in _QUANTILES)
    return tuple(float(value) for value in np.quantile(found.distances[:, 0], _QUANTILES))
