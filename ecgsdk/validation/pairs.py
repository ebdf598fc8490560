"""Pairs: real and synthetic test records of the same standard groups, where synthetic ECGs were not made as twins."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.conditions import Condition
    from ecgsdk.readers import ECGSource

    Groups = tuple[str, ...]

__all__ = ["FEWEST", "matched", "matched_at_random"]

FEWEST = 20
"""Pairs without which every section would only say what it cannot measure."""

_ENOUGH = 100
"""Pairs from which on fidelity is measured: two halves of 50."""

_SHARES = (0.25, 0.5)
"""Of the synthetic records of the same groups, so many at most are tested on; half of them only if pairs are few."""

_NAMED = 8
"""Combinations of groups that a message names; the standard groups alone are six."""


def matched(test: ECGSource, synthetic: ECGSource, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a real test record and a synthetic one, drawn at random from the whole of both, each at most once.

    A quarter of the synthetic records of the same groups is tested on at most, so that three quarters are left to
    train; a half where a quarter makes fewer than 100 pairs.

    Returns:
        Positions in `test`, rising, and in `synthetic`.

    Raises:
        DataError: fewer than `FEWEST` pairs; says which side is short and what to do.
    """
    for share in _SHARES:
        pairs = _pairs(test.conditions, synthetic.conditions, share, seed)
        if len(pairs) >= _ENOUGH:
            break
    if len(pairs) < FEWEST:
        raise DataError(_shortage(test, synthetic, len(pairs)))
    return pairs[:, 0], pairs[:, 1]


def matched_at_random(test: ECGSource, synthetic: ECGSource, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a real test record and any synthetic one, for synthetic ECGs of which no group is known.

    Returns:
        Positions in `test`, rising, and in `synthetic`, as many as `matched` would take at most.

    Raises:
        DataError: fewer than `FEWEST` pairs.
    """
    random = np.random.default_rng(seed)
    share = next((share for share in _SHARES if share * len(synthetic) >= _ENOUGH), _SHARES[-1])
    pairs = min(len(test), int(share * len(synthetic)))
    if pairs < FEWEST:
        raise DataError(
            f"{synthetic.name}: {pairs} pairs of a real and a synthetic test record, {FEWEST} are needed; there are "
            f"{len(test)} real test records, and {len(synthetic)} synthetic ones, of which half can test; give more"
        )
    return np.sort(random.permutation(len(test))[:pairs]), random.permutation(len(synthetic))[:pairs]


def _pairs(test: Sequence[Condition], synthetic: Sequence[Condition], share: float, seed: int) -> np.ndarray:
    """Positions of real and synthetic partners, shape (pairs, 2)."""
    random = np.random.default_rng(seed)
    free: dict[Groups, list[int]] = defaultdict(list)
    for position in random.permutation(len(synthetic)).tolist():
        free[synthetic[position].groups()].append(position)
    left = {groups: positions[: int(share * len(positions))] for groups, positions in free.items() if groups}
    pairs = []
    for position in random.permutation(len(test)).tolist():
        groups = test[position].groups()
        if left.get(groups):
            pairs.append((position, left[groups].pop()))
    return np.array(sorted(pairs), dtype=int).reshape(-1, 2)


def _shortage(test: ECGSource, synthetic: ECGSource, found: int) -> str:
    """Why there are too few pairs: which side has too few records of the groups, and what to do."""
    real, made = (_of_groups(source.conditions) for source in (test, synthetic))
    short_real = sum(real.values()) < FEWEST
    short_made = _SHARES[-1] * sum(made.values()) < FEWEST
    remedies = []
    if short_real:
        remedies.append("give more real ECGs to test on (--test-folds, --real-test)")
    if short_made or not short_real:
        remedies.append(f"generate more ECGs of the real ones' groups ({_named(real)})")
    return (
        f"{synthetic.name}: {found} pair{'s' * (found != 1)} of a real and a synthetic test record of the same "
        f"standard groups, {FEWEST} are needed; {sum(real.values())} of {len(test)} real test records belong to "
        f"standard groups, and {sum(made.values())} of {len(synthetic)} synthetic records ({_named(made)}), of which "
        f"half can test; {' and '.join(remedies)}"
    )


def _of_groups(conditions: Sequence[Condition]) -> Counter[Groups]:
    """How many records there are of each combination of groups; records of none are left out."""
    return Counter(condition.groups() for condition in conditions if condition.groups())


def _named(counts: Counter[Groups]) -> str:
    """The combinations of groups with the number of records of each, the most frequent ones if they are many."""
    named = [f"{count} {'+'.join(groups)}" for groups, count in counts.most_common(_NAMED)]
    more = [f"and {len(counts) - _NAMED} more"] if len(counts) > _NAMED else []
    return ", ".join([*named, *more]) or "none"
