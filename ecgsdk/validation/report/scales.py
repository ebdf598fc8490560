"""Axes of charts: from values to places on the drawing, and ticks at 1, 2 or 5 times a power of ten."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgsdk.validation.report.rounding import number, superscript

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Scale", "linear_scale", "log_scale", "nice_ticks"]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Scale:
    """Places of values on one axis.

    Attributes:
        low, high: values at the ends of the axis, low < high; both positive on a logarithmic one.
        start, end: places of `low` and `high`.
        log: whether the axis is logarithmic.
        ticks: values to mark, from low to high.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[float, ...]

    def place(self, value: float) -> float | None:
        """Where a value lies, None where a logarithmic axis has no place for it."""
        if self.log and value <= 0:
            return None
        value, low, high = (math.log10(v) if self.log else v for v in (value, self.low, self.high))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def labels(self) -> tuple[str, ...]:
        """The ticks as text."""
        if self.log:
            plain = all(0.999e-3 < tick < 1e5 for tick in self.ticks)
            return tuple(f"{tick:,g}" if plain else _power_text(tick) for tick in self.ticks)
        places = _places(self.ticks[1] - self.ticks[0]) if len(self.ticks) > 1 else None
        return tuple("0" if tick == 0 else number(tick, places).replace(".0 ×", " ×") for tick in self.ticks)


def linear_scale(
    values: Iterable[float], start: float, end: float, *, tight: bool = False, zero: bool = False, most: int = 6
) -> Scale:
    """An axis that holds all the values.

    Args:
        values: finite, in any order.
        start, end: places of the axis' ends.
        tight: ends at the least and the greatest value instead of at ticks.
        zero: begins or ends at zero if the values lie on one side of it; else only where zero is near.
        most: ticks, at most.
    """
    low, high = _range(values)
    if zero or (not tight and 0 < low < 0.35 * high):
        low = min(low, 0.0)
    if zero or (not tight and 0 > high > 0.35 * low):
        high = max(high, 0.0)
    step = _nice_step(low, high, most)
    if not tight:
        low, high = math.floor(low / step + _ROUNDING) * step, math.ceil(high / step - _ROUNDING) * step
    return Scale(low, high, start, end, False, _multiples(low, high, step))


def log_scale(values: Iterable[float], start: float, end: float, *, tight: bool = False, most: int = 6) -> Scale:
    """A logarithmic axis that holds all the positive values; of others it takes no notice. Arguments as above."""
    low, high = _range(value for value in values if value > 0)
    low, high = (0.1, 10.0) if low <= 0 else (low, high)
    if not tight:
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
    return Scale(low, high, start, end, True, _log_ticks(low, high, most))


def nice_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten from low to high, `most` or fewer.

    >>> nice_ticks(0.0, 1.0)
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    return _multiples(low, high, _nice_step(low, high, most))


def _nice_step(low: float, high: float, most: int) -> float:
    least = (high - low) / (most - 1)
    exponent = math.floor(math.log10(least))
    steps = [factor * 10.0**power for power in (exponent, exponent + 1) for factor in (1, 2, 5)]
    return next(step for step in steps if step >= least * (1 - _ROUNDING))


def _multiples(low: float, high: float, step: float) -> tuple[float, ...]:
    first, last = math.ceil(low / step - _ROUNDING), math.floor(high / step + _ROUNDING)
    # Rounded, or 3 × 0.1 would be a tick of its own beside 0.3; + 0.0 turns −0.0 into 0.0.
    return tuple(round(i * step, _places(step)) + 0.0 for i in range(first, last + 1))


def _log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 5), (1,)):
        ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        inside = [tick for tick in ticks if low * (1 - _ROUNDING) <= tick <= high * (1 + _ROUNDING)]
        if len(inside) <= most:
            break
    every = max(1, math.ceil(len(inside) / most))
    return tuple(inside[::every])


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = tuple(values)
    if not known:
        return 0.0, 1.0
    low, high = float(min(known)), float(max(known))
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    margin = abs(low) / 2 or 1.0
    return low - margin, high + margin


def _places(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + _ROUNDING))


def _power_text(value: float) -> str:
    exponent = math.floor(math.log10(value) + _ROUNDING)
    factor = round(value / 10.0**exponent)
    power = f"10{superscript(exponent)}" if exponent else "1"
    return power if factor == 1 else f"{factor} × {power}"
