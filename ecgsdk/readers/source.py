"""ECGSource: the ECGs of a file or folder, of which signals are read only when they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.batch import ECGBatch
from ecgsdk.errors import DataError
from ecgsdk.leads import lead_indices
from ecgsdk.resampling import resample, resampled_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ecgsdk.batch import Provenance
    from ecgsdk.conditions import Condition

__all__ = [
    "ECGSource",
    "all_left_out",
    "check_rate",
    "fit_signals",
    "fitted",
    "fitted_length",
    "lead_order",
    "needed_length",
    "without_damaged",
]

_TRIED_AT_ONCE = 16
_RATES = (1.0, 1e6)
"""Lowest and highest sampling rate in Hz that is taken for one: what is outside is damage, and would make resampled
signals of any size."""


@dataclass(frozen=True, eq=False)
class ECGSource:
    """12-lead ECGs of one rate and length. What is known of them is here; their signals stay on the disk.

    Attributes:
        name: the file or folder, for messages and reports.
        sampling_rate: Hz.
        samples: samples of each record.
        conditions: what is known of each record.
        identifiers: a name for each record.
        folds: the cross-validation fold of each record, None where there is none.
        read: signals of the records at the given positions: float32 mV, shape (n, 12, samples), leads in the order
            of `ecgsdk.leads.LEADS`. Raises DataError.
        provenance: what made the ECGs; None for real ones.
        left_out: of each record that was left out as it cannot be read, the reason, which names its file.

    Raises:
        DataError: a rate that no ECG has, or records without samples.
    """

    name: str
    sampling_rate: float
    samples: int
    conditions: tuple[Condition, ...] = field(repr=False)
    identifiers: tuple[str, ...] = field(repr=False)
    folds: tuple[int | None, ...] = field(repr=False)
    read: Callable[[Sequence[int]], np.ndarray] = field(repr=False)
    provenance: Provenance | None = None
    left_out: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        check_rate(self.name, self.sampling_rate)
        if self.samples < 1:
            raise DataError(f"{self.name} has records without samples; leave them out")

    def __len__(self) -> int:
        return len(self.identifiers)

    @property
    def synthetic(self) -> bool:
        """Whether a model made these ECGs."""
        return self.provenance is not None

    def batches(self, size: int = 64) -> Iterator[ECGBatch]:
        """All records in order, `size` at a time; no more than one batch is in memory.

        Raises:
            DataError: a record cannot be read.
        """
        for first in range(0, len(self), size):
            chosen = range(first, min(first + size, len(self)))
            yield ECGBatch(
                signals=self.read(chosen),
                sampling_rate=self.sampling_rate,
                conditions=self.conditions[chosen.start : chosen.stop],
                identifiers=self.identifiers[chosen.start : chosen.stop],
                provenance=self.provenance,
            )

    def select(self, positions: Sequence[int]) -> ECGSource:
        """A source of only the records at these positions, in this order."""
        return replace(
            self,
            conditions=tuple(self.conditions[i] for i in positions),
            identifiers=tuple(self.identifiers[i] for i in positions),
            folds=tuple(self.folds[i] for i in positions),
            read=partial(_read_selected, self.read, tuple(positions)),
        )


def without_damaged(source: ECGSource, advance: Callable[[int], object] = lambda n: None) -> ECGSource:
    """Only the records whose signals can be read, which is found by reading all of them once.

    Args:
        source: of any format.
        advance: is told the number of records tried, batch by batch.

    Returns:
        A source whose `left_out` has the reasons for the others, after those that it had.

    Raises:
        DataError: none can be read.
    """
    sound: list[int] = []
    reasons: list[str] = []
    for first in range(0, len(source), _TRIED_AT_ONCE):
        chosen = range(first, min(first + _TRIED_AT_ONCE, len(source)))
        damaged = _damaged(source, chosen)
        sound += [position for position in chosen if position not in damaged]
        reasons += damaged.values()
        advance(len(chosen))
    if not sound:
        raise DataError(all_left_out(source.name, reasons))
    return replace(source.select(sound), left_out=(*source.left_out, *reasons)) if reasons else source


def _damaged(source: ECGSource, chosen: Sequence[int]) -> dict[int, str]:
    """The positions among these of records that cannot be read, each with the reason."""
    try:
        source.read(chosen)
    except DataError as error:
        if len(chosen) > 1:
            return {position: reason for one in chosen for position, reason in _damaged(source, [one]).items()}
        name = source.identifiers[chosen[0]]
        return {chosen[0]: str(error) if name in str(error) else f"{error} (record {name})"}
    return {}


def all_left_out(name: str | Path, reasons: Sequence[str]) -> str:
    """What is wrong with a source of which no record is left."""
    return f"{name}: none of its {len(reasons)} records can be read; the first: {reasons[0]}"


def fitted(source: ECGSource, sampling_rate: float | None = None, seconds: float | None = None) -> ECGSource:
    """The first `seconds` of each record at `sampling_rate`; None leaves rate or length as they are.

    Raises:
        DataError: the records are too short, or the rate or the time is not positive.
    """
    to_rate = source.sampling_rate if sampling_rate is None else float(sampling_rate)
    samples = fitted_length(source.name, source.samples, source.sampling_rate, to_rate, seconds)
    if (to_rate, samples) == (source.sampling_rate, source.samples):
        return source
    read = partial(_read_fitted, source.read, source.sampling_rate, to_rate, samples)
    return replace(source, sampling_rate=to_rate, samples=samples, read=read)


def fitted_length(name: str, samples: int, rate: float, to_rate: float, seconds: float | None) -> int:
    """Samples of a record after resampling from `rate` to `to_rate` and cropping to `seconds`.

    Raises:
        DataError: the record, called `name`, is too short, or the rate or the time is not positive.
    """
    available = resampled_length(samples, rate, to_rate)
    if seconds is None:
        return available
    if not 0 < seconds < math.inf or round(seconds * to_rate) < 1:
        raise DataError(f"{seconds} seconds of an ECG cannot be read; give a positive number")
    if round(seconds * to_rate) > available:
        raise DataError(
            f"{name} is {samples / rate:g} s long, shorter than the {seconds:g} s that are taken of each record; leave "
            "it out or ask for less"
        )
    return round(seconds * to_rate)


def fit_signals(signals: np.ndarray, rate: float, to_rate: float, samples: int) -> np.ndarray:
    """The first `samples` samples at `to_rate` of signals (..., time) at `rate`."""
    if rate != to_rate:
        signals = resample(signals[..., : needed_length(samples, rate, to_rate)], rate, to_rate)
    return signals[..., :samples]


def needed_length(samples: int, rate: float, to_rate: float) -> int:
    """How many samples at `rate` make `samples` at `to_rate`: a second more, so that the cut lies outside of them."""
    return samples if rate == to_rate else math.ceil((samples / to_rate + 1) * rate)


def check_rate(name: str | Path, rate: float) -> None:
    """Raises DataError for a sampling rate, read from the file `name`, that no ECG has."""
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"{name} is damaged: a sampling rate of {rate:g} Hz is not possible")


def lead_order(name: str | Path, leads: Iterable[str]) -> list[int]:
    """Positions of the 12 standard leads in `leads`.

    Raises:
        DataError: they are not the standard twelve; the message begins with `name`, the file.
    """
    try:
        return lead_indices([str(lead) for lead in leads])
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _read_selected(
    read: Callable[[Sequence[int]], np.ndarray], positions: tuple[int, ...], chosen: Sequence[int]
) -> np.ndarray:
    return read([positions[i] for i in chosen])


def _read_fitted(
    read: Callable[[Sequence[int]], np.ndarray], rate: float, to_rate: float, samples: int, chosen: Sequence[int]
) -> np.ndarray:
    return np.ascontiguousarray(fit_signals(read(chosen), rate, to_rate, samples))
