"""What a user leaves open is drawn: heart rate, age and sex from the card's histograms; and noise, record by record."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecgsdk.conditions import Condition, Span

__all__ = [
    "RandomStreams",
    "Stream",
    "draw_condition",
    "draw_rr_variation",
    "lots",
    "noise",
    "offsets",
    "random_stream",
    "relative_entropy",
    "smoothed",
]

# Sinus rhythm is normal, slow or fast by its rate. PTB-XL's reports call few rates slow above 50 bpm, or fast below
# 100: see the histograms of SBRAD and STACH in the card.
_SINUS_RATE: Span = (50.0, 100.0)
_RATE_BOUNDS: Mapping[str, Span] = {"SBRAD": (0.0, 60.0), "STACH": (100.0, 1000.0)}
_OTHER_RHYTHMS = {"AFIB", "AFLT", "PACE"}


class Stream(IntEnum):
    """What random numbers are for: streams of one record that have nothing in common."""

    CONDITION = 0
    RHYTHM = 1
    LATENT = 2
    DECODER = 3
    SYNTHESISER = 4
    ACCOMPANYING = 5
    UPSAMPLER = 6
    CUT = 7
    CHOICE = 8


def random_stream(seed: int, record: int, purpose: Stream) -> np.random.Generator:
    """Random numbers that depend on seed, record index and purpose alone, by the counter-based Philox generator.

    Salmon et al. 2011 (doi 10.1145/2063384.2063405).
    """
    key = np.array([seed, record], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, purpose]))


class RandomStreams:
    """The numbers of `random_stream` for one record after another, without a new generator for each.

    Args:
        seed, purpose: those of all its streams.
        candidate: which of a record's candidates they are for; that of `random_stream` is the first.
    """

    def __init__(self, seed: int, purpose: Stream, candidate: int = 0) -> None:
        self._philox = np.random.Philox(key=np.array([seed, 0], dtype=np.uint64))
        self._generator = np.random.Generator(self._philox)
        self._state: Any = self._philox.state
        self._state["state"]["counter"][2:] = candidate, purpose

    def of(self, record: int) -> np.random.Generator:
        """The stream of a record, until that of another is asked for."""
        self._state["state"]["key"][1] = record
        self._philox.state = self._state
        return self._generator

    def words_of(self, record: int, number: int) -> np.ndarray:
        """The first words of the stream of a record, little-endian uint64, shape (number,)."""
        self.of(record)
        return self._philox.random_raw(number).astype("<u8", copy=False)


def noise(seed: int, records: Sequence[int], purpose: Stream, shape: tuple[int, int], candidate: int = 0) -> np.ndarray:
    """Standard normal noise for each record, float32, shape (n, *shape).

    Each number is one of `_normal_quantiles`, by 16 random bits: a fifth of the time of NumPy's own, which draws
    numbers that lie beyond ±4.3 and takes more bits for each.
    """
    drawn = np.empty((len(records), *shape), dtype=np.float32)
    streams, quantiles, number = RandomStreams(seed, purpose, candidate), _normal_quantiles(), math.prod(shape)
    for row, record in zip(drawn.reshape(len(drawn), number), records):
        words = streams.words_of(record, -(-number // 4))
        np.take(quantiles, words.view("<u2")[:number], out=row, mode="clip")
    return drawn


@lru_cache(maxsize=1)
def _normal_quantiles() -> np.ndarray:
    """The middles of 65,536 equal parts of the standard normal distribution, scaled to a variance of 1; float32."""
    values = np.linspace(-5, 5, 2001)
    within = np.array([math.erf(value / math.sqrt(2)) for value in values])
    quantiles = np.interp((np.arange(-32768, 32768) + 0.5) / 32768, within, values)
    return (quantiles / quantiles.std()).astype(np.float32)


def offsets(seed: int, records: Sequence[int], least: int, greatest: int, candidate: int = 0) -> np.ndarray:
    """A sample from which each record is cut, from `least` to `greatest`; int64, shape (n,)."""
    streams = RandomStreams(seed, Stream.CUT, candidate)
    drawn = np.array([streams.of(record).random() for record in records])
    return least + (drawn * (greatest - least + 1)).astype(np.int64)


def lots(seed: int, records: Sequence[int], candidates: int) -> np.ndarray:
    """Standard Gumbel numbers, float32, shape (n, candidates).

    The greatest sum of one and the logarithm of a weight falls on each candidate as often as its weight has it
    (Maddison, Tarlow, Minka 2014, arXiv 1411.0030).
    """
    streams = RandomStreams(seed, Stream.CHOICE)
    uniform = np.array([streams.of(record).random(candidates) for record in records]).reshape(-1, candidates)
    return -np.log(-np.log(np.clip(uniform, 1e-12, 1 - 1e-12))).astype(np.float32)


def draw_condition(
    asked: Condition, histograms: Mapping[str, Any], limits: Mapping[str, Span], stream: np.random.Generator
) -> Condition:
    """The condition with a single heart rate, age and sex.

    A span is drawn from evenly. What is not asked for comes from the histogram of its most telling statement. The three
    draws always take place, so that asking for an age does not change the heart rate.
    """
    first, second, third = stream.random(3)
    rate = _number("heart_rate", asked.heart_rate, asked, histograms, _rate_limits(asked, limits), first)
    age = _number("age", asked.age, asked, histograms, limits["age"], second)
    sex = asked.sex or ("M" if third < _share_of_men(asked, histograms) else "F")
    return replace(asked, heart_rate=rate, age=age, sex=sex)


def _rate_limits(asked: Condition, limits: Mapping[str, Span]) -> Span:
    """Where a heart rate that was not asked for may lie."""
    stated = set(asked.statements)
    named = [bounds for code, bounds in _RATE_BOUNDS.items() if code in stated]
    if not named and (not stated or stated & _OTHER_RHYTHMS):
        return limits["heart_rate"]
    low, high = named[0] if named else _SINUS_RATE
    return max(low, limits["heart_rate"][0]), min(high, limits["heart_rate"][1])


def _number(
    name: str,
    value: float | Span | None,
    asked: Condition,
    histograms: Mapping[str, Any],
    limits: Span,
    uniform: float,
) -> float:
    if isinstance(value, tuple):
        return _rounded(value[0] + uniform * (value[1] - value[0]), value)
    if value is not None:
        return float(value)
    return _rounded(_quantile(name, asked, histograms, limits, uniform), limits)


def draw_rr_variation(asked: Condition, histograms: Mapping[str, Any], uniform: float) -> float:
    """Standard deviation of the RR intervals over their mean, as the statements have it; `uniform` in [0, 1)."""
    return _quantile("rr_variation", asked, histograms, (0.0, 1.0), uniform)


def _quantile(name: str, asked: Condition, histograms: Mapping[str, Any], limits: Span, uniform: float) -> float:
    """Inverse of the cumulated histogram between the limits."""
    counts = histograms[_telling(name, asked, histograms)][name]
    edges, cumulated, low, high = _cumulated(tuple(histograms["edges"][name]), tuple(counts), tuple(limits))
    return float(np.interp(low + uniform * (high - low), cumulated, edges))


@lru_cache(maxsize=4096)
def _cumulated(
    edges: tuple[float, ...], counts: tuple[int, ...], limits: Span
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Edges, probability below each, and below each limit."""
    values = np.asarray(edges, dtype=float)
    cumulated = np.concatenate([[0.0], np.cumsum(smoothed(counts))])
    low, high = np.interp(limits, values, cumulated)
    return values, cumulated, low, high


def _rounded(value: float, span: Span) -> float:
    """To a tenth, but within the span."""
    return float(min(max(round(value, 1), span[0]), span[1]))


def _share_of_men(asked: Condition, histograms: Mapping[str, Any]) -> float:
    return _cumulated((0, 0.5, 1), tuple(histograms[_telling("sex", asked, histograms)]["sex"]), (0.0, 1.0))[1][1]


def _telling(name: str, asked: Condition, histograms: Mapping[str, Any]) -> str:
    """The most telling statement that is asked for, or "all"."""
    return next((code for code in histograms["telling"][name] if code in asked.statements), "all")


def smoothed(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Counts as probabilities, none of them zero."""
    values = np.asarray(counts, dtype=float)
    least = 1e-4 * max(values.sum(), 1)
    return (values + least) / (values.sum() + least * len(values))


def relative_entropy(table: np.ndarray, overall: np.ndarray) -> float:
    """How much a distribution tells beyond another (Kullback and Leibler 1951), in nats."""
    return float((table * np.log(table / overall)).sum())
