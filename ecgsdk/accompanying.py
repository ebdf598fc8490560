"""Statements that accompany those asked for, drawn as often as they occur together in the training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.conditions import GROUPS, Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Accompaniment", "contradictions"]

_SWEEPS = 40
_UNITS = 100
_NEVER = -1e6


@dataclass(frozen=True, eq=False)
class Accompaniment:
    """Which statements occur together: an Ising model, of which statements are drawn.

    The probability of a set of statements is proportional to exp(Σ bias of each + Σ coupling of each pair), and zero
    where two of them contradict each other (Besag 1972, J. R. Stat. Soc. B 34:75, the auto-logistic model). It holds
    how often statements and pairs of them occur, and no record's combination.

    Attributes:
        codes: the statements, in the order of the model's card.
        bias: shape (statements,), in hundredths, whole numbers: sums of them are exact in any order, so that a record
            does not depend on its batch.
        coupling: symmetric, shape (statements, statements), likewise; −10⁶ where two contradict each other.
    """

    codes: tuple[str, ...]
    bias: np.ndarray
    coupling: np.ndarray

    @classmethod
    def from_table(cls, codes: Sequence[str], table: Mapping[str, Any]) -> Accompaniment:
        """From a card's `accompanying`: `bias`, and `coupling` as the upper triangle row by row, to two decimals."""
        coupling = np.zeros((len(codes), len(codes)))
        coupling[np.triu_indices(len(codes), 1)] = np.rint(_UNITS * np.asarray(table["coupling"], dtype=float))
        both = np.where(contradictions(codes), _NEVER, coupling + coupling.T)
        return cls(tuple(codes), np.rint(_UNITS * np.asarray(table["bias"], dtype=float)), both)

    def draw(self, asked: Sequence[Condition], streams: Iterable[np.random.Generator]) -> list[Condition]:
        """The conditions with the statements that accompany those asked for, which stand first.

        Gibbs sampling (Geman and Geman 1984, doi 10.1109/TPAMI.1984.4767596) with what was asked for kept on. What
        contradicts it stays off; so do, where one standard group is asked for, the statements of the others. A record
        of which nothing is asked carries one statement at least.

        Args:
            asked: of each record, with statements of the model alone.
            streams: random numbers of each record; each is used before the next is asked for.
        """
        limits = {c: self._limits(c) for c in {replace(c, age=None, sex=None) for c in asked}}
        noise = np.stack([stream.logistic(size=(_SWEEPS, len(self.codes))) for stream in streams], axis=-1)
        lowest = np.stack([limits[replace(c, age=None, sex=None)] for c in asked], axis=-1)
        on = self._sampled(_UNITS * noise + lowest)
        drawn = [tuple(code for code, chosen in zip(self.codes, row) if chosen) for row in on]
        return [replace(c, statements=(*c.statements, *codes)) for c, codes in zip(asked, drawn)]

    def _sampled(self, thresholds: np.ndarray) -> np.ndarray:
        """The last states that are not empty, bool (n, statements); thresholds of shape (sweeps, statements, n).

        Normal ECGs come last in a sweep: from an empty state they would be chosen first, and are left slowly.
        """
        state = np.zeros(thresholds.shape[1:]).T
        found = state.copy()
        for sweep in thresholds:
            for position in reversed(range(len(self.codes))):
                state[:, position] = state @ self.coupling[position] > sweep[position]
            np.copyto(found, state, where=state.any(axis=1, keepdims=True))
        return found > 0

    def _limits(self, asked: Condition) -> np.ndarray:
        """What a statement's sum of couplings must exceed, but for noise; −∞ what is on anyhow, ∞ what stays off."""
        on = np.array([code in asked.statements for code in self.codes])
        off = (self.coupling[on] == _NEVER).any(axis=0)
        groups = asked.groups()
        if len(groups) == 1:
            others = {code for name, codes in GROUPS.items() if name not in groups for code in codes}
            off |= np.array([code in others for code in self.codes])
        if asked.heart_rate is not None:
            off |= np.array([not Condition((code,), asked.heart_rate).holds() for code in self.codes])
        return np.where(on, -np.inf, np.where(off, np.inf, -self.bias))


def contradictions(codes: Sequence[str]) -> np.ndarray:
    """Which statements contradict each other, symmetric, bool (n, n)."""
    against = np.zeros((len(codes), len(codes)), dtype=bool)
    for (row, one), (column, other) in combinations(enumerate(codes), 2):
        against[row, column] = against[column, row] = not Condition((one, other)).holds()
    return against
