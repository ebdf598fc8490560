"""Fits which statements occur together: biases and couplings that give back how often each and each pair occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.accompanying import contradictions

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["accompanying", "boltzmann_fit", "pair_shares"]

_FEWEST = 5
_FEW = 2.0
_CHAINS = 4096
_ROUNDS = 800
_FIRST_RATE = 0.1
_GREATEST_BIAS, _GREATEST_COUPLING = 20.0, 6.0
_NEVER, _LOWEST = -200.0, -80.0


def accompanying(statements: np.ndarray, codes: Sequence[str]) -> dict[str, list[float]]:
    """The table of a card (`ecgsdk.accompanying.Accompaniment`), to two decimals.

    Args:
        statements: which statements each training record carries, bool, shape (n, statements).
        codes: their SCP-ECG codes.
    """
    against = contradictions(codes)
    bias, coupling = boltzmann_fit(*pair_shares(statements, against), against)
    upper = coupling[np.triu_indices(len(codes), 1)]
    return {"bias": _two_decimals(bias), "coupling": _two_decimals(upper)}


def pair_shares(statements: np.ndarray, against: np.ndarray) -> tuple[np.ndarray, int]:
    """Share of the records that carry each pair of statements, each statement on the diagonal; and their number.

    Records with statements that contradict each other are left out. Fewer than five records count as two, or as what
    two statements that do not depend on each other would share, if that is less: rare combinations do not come through.
    """
    carried = statements.astype(float)
    sound = carried[~((carried @ against) * carried).any(axis=1)]
    n = max(len(sound), 1)
    counts = sound.T @ sound
    alone = np.where(counts.diagonal() < _FEWEST, _FEW, counts.diagonal()).clip(0.5, n - 0.5)
    few = np.minimum(_FEW, np.outer(alone, alone) / n)
    pairs = np.where(against, 0.0, np.where(counts < _FEWEST, few, counts))
    np.fill_diagonal(pairs, alone)
    return pairs / n, n


def boltzmann_fit(
    shares: np.ndarray, n: int, against: np.ndarray, *, rounds: int = _ROUNDS, chains: int = _CHAINS
) -> tuple[np.ndarray, np.ndarray]:
    """Biases and couplings of the Ising model that has these shares of statements and pairs.

    Boltzmann learning (Ackley, Hinton, Sejnowski 1985, Cognitive Science 9:147) with chains that go on from round to
    round (Tieleman 2008, doi 10.1145/1390156.1390290). Steps are log ratios of the shares wanted and found, as in
    iterative scaling (Darroch and Ratcliff 1972), and become smaller; the second half of them is averaged.

    Args:
        shares: as `pair_shares` gives them, with the number of records `n`.
        against: which statements contradict each other, as `ecgsdk.accompanying.contradictions` gives it.
        rounds: one Gibbs sweep of all chains and one step each.
        chains: sets of statements that are sampled side by side.
    """
    random = np.random.default_rng(0)
    wanted, least = shares.diagonal(), 3 / n
    bias, coupling = _logit(wanted), np.zeros_like(shares)
    state = np.zeros((len(wanted), chains), dtype=np.float32).T
    kept = []
    for step in range(rounds):
        found = _sweep(state, bias, coupling, against, random)
        alone = found.diagonal().clip(least / 10, 1 - least / 10)
        rate = _FIRST_RATE / (1 + 10 * step / rounds)
        together = np.log((shares + least) / (found + least))
        apart = np.log(np.outer(wanted, wanted) / np.outer(alone, alone))
        lift = np.where(against | np.eye(len(wanted), dtype=bool), 0.0, together - apart)
        coupling = (coupling + rate * lift).clip(-_GREATEST_COUPLING, _GREATEST_COUPLING)
        bias = (bias + rate * (_logit(wanted) - _logit(alone))).clip(-_GREATEST_BIAS, _GREATEST_BIAS)
        if step >= rounds // 2:
            kept.append((bias, coupling))
    return np.mean([b for b, _ in kept], axis=0), np.mean([c for _, c in kept], axis=0)


def _sweep(
    state: np.ndarray, bias: np.ndarray, coupling: np.ndarray, against: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Draws each statement of all chains anew, in place; returns the shares found, of pairs and on the diagonal.

    Shares are means of probabilities rather than of draws, which vary less.
    """
    chains, width = state.shape
    found = np.empty((width, width))
    weights = np.where(against, _NEVER, coupling).astype(np.float32)
    for position in random.permutation(width):
        field = state @ weights[position] + np.float32(bias[position])
        probability = 1 / (1 + np.exp(-field.clip(_LOWEST, -_LOWEST)))
        found[position] = probability @ state / chains
        found[position, position] = probability.mean()
        state[:, position] = random.random(chains, dtype=np.float32) < probability
    return (found + found.T) / 2


def _logit(share: np.ndarray) -> np.ndarray:
    return np.log(share / (1 - share))


def _two_decimals(values: np.ndarray) -> list[float]:
    return [round(float(value), 2) + 0.0 for value in values]
