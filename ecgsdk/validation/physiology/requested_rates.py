"""The heart rate that synthetic ECGs were asked for, beside the one measured in them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.results import Chart, Measure, Series, Table

if TYPE_CHECKING:
    from ecgsdk.validation.profile import Profile

__all__ = ["Requested", "rate_chart", "rate_measures", "rate_table", "requested_rates"]

_BANDS = (0.0, 50.0, 60.0, 80.0, 100.0, 120.0, 150.0, math.inf)
_CHART_STEP = 10.0
_FEWEST_IN_CHART = 5
_WITHIN = (3.0, 5.0)


@dataclass(frozen=True, eq=False)
class Requested:
    """Records that were asked for a heart rate, in bpm, each of shape (n,).

    Attributes:
        asked: the rate, or the middle of the span, that was asked for.
        error: measured minus asked; from the nearer end of a span, 0 within it; NaN where nothing could be measured.
    """

    asked: np.ndarray
    error: np.ndarray

    def within(self, bpm: float) -> float:
        """Per cent of records whose error is at most `bpm`; one that cannot be measured misses. NaN without records."""
        return float(100 * np.mean(np.abs(self.error) <= bpm)) if len(self.error) else math.nan

    def bias(self) -> float:
        """Mean error; NaN without measured records."""
        known = self.error[np.isfinite(self.error)]
        return float(known.mean()) if len(known) else math.nan

    def select(self, chosen: np.ndarray) -> Requested:
        """Only the records of a mask."""
        return Requested(self.asked[chosen], self.error[chosen])


def requested_rates(profile: Profile) -> Requested:
    """Of the records of a profile whose condition asks for a heart rate."""
    asked = [
        (i, *(rate if isinstance(rate, tuple) else (rate, rate)))
        for i, rate in enumerate(condition.heart_rate for condition in profile.conditions)
        if rate is not None
    ]
    rows = np.array(asked, dtype=np.float64).reshape(-1, 3)
    measured = profile.figures["heart_rate"][rows[:, 0].astype(int)]
    return Requested(rows[:, 1:].mean(axis=1), measured - np.clip(measured, rows[:, 1], rows[:, 2]))


def rate_measures(requested: Requested) -> list[Measure]:
    """Shares within 3 and 5 bpm of the request, and the bias."""
    n = len(requested.asked)
    shares = [
        Measure(
            f"heart_rate_within_{bpm:g}_bpm",
            f"Heart rate within {bpm:g} bpm of the one asked for",
            _known(requested.within(bpm)),
            "%",
            "higher",
            n=n,
            about="Share of the synthetic ECGs; one whose heart rate cannot be measured misses.",
        )
        for bpm in _WITHIN
    ]
    bias = Measure(
        "heart_rate_bias_bpm",
        "Heart rate measured minus asked for",
        _known(requested.bias()),
        "bpm",
        "",
        floor=0.0,
        n=n,
        about="Mean over the synthetic ECGs.",
    )
    return [*shares, bias]


def rate_table(requested: Requested) -> Table:
    """A row a band of requested rates, and one for all."""
    rows = []
    for low, high in (*itertools.pairwise(_BANDS), (0.0, math.inf)):
        part = requested.select((requested.asked >= low) & (requested.asked < high))
        if len(part.asked):
            shares = (_known(part.within(bpm)) for bpm in _WITHIN)
            rows.append((_band(low, high), len(part.asked), _known(part.bias()), *shares))
    columns = ("asked for (bpm)", "records", "bias (bpm)", "within 3 bpm (%)", "within 5 bpm (%)")
    return Table("requested_heart_rate", "Heart rate asked for and measured", columns, tuple(rows))


def rate_chart(requested: Requested) -> Chart:
    """Median and middle 90 % of what is measured beyond the request, at each tenth of a rate asked for."""
    known = requested.select(np.isfinite(requested.error))
    tens = np.round(known.asked / _CHART_STEP)
    found = [
        (float(known.asked[at].mean()), *map(float, np.percentile(known.error[at], (5, 50, 95))))
        for at in (tens == ten for ten in np.unique(tens))
        if np.count_nonzero(at) >= _FEWEST_IN_CHART
    ]
    x, low, median, high = zip(*found) if found else ((), (), (), ())
    return Chart(
        "requested_heart_rate_chart",
        "Heart rate: measured minus asked for",
        "asked for, bpm",
        "difference, bpm",
        (
            Series("95th percentile", x, high),
            Series("median", x, median, "synthetic"),
            Series("5th percentile", x, low),
        ),
    )


def _band(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{low:g} and more" if low else "all"
    return f"{low:g} to {high:g}" if low else f"below {high:g}"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
