"""Records: a set of ECGs in memory, 16 kB each, as the suite hands it to classifiers and measurements."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS, to_eight, to_twelve
from ecgsdk.readers.source import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition
    from ecgsdk.readers.source import ECGSource

__all__ = ["RATE", "SECONDS", "Records", "join", "load_records", "replaced"]

RATE = 100.0
"""Sampling rate at which the suite works, in Hz."""

SECONDS = 10.0
"""Length to which the suite cuts each record."""

_LARGEST_UV = 32_767
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Records:
    """ECGs at 100 Hz, ten seconds each.

    Attributes:
        name: the file or folder they came from.
        conditions: what is known of, or was asked of, each.
        identifiers: the source's names.
        microvolts: leads I, II, V1–V6, int16, shape (n, 8, 1000).
        residuals: greatest violation of the lead equations in the source, µV, shape (n,).
        digests: a hash of each record's samples.
    """

    name: str
    conditions: tuple[Condition, ...]
    identifiers: tuple[str, ...]
    microvolts: np.ndarray
    residuals: np.ndarray
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.conditions)

    @cached_property
    def key(self) -> str:
        """A hash of all records and their labels, in order."""
        facts = [(digest, condition.statements) for digest, condition in zip(self.digests, self.conditions)]
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def select(self, positions: Sequence[int] | np.ndarray) -> Records:
        """Only these records, in this order."""
        # A range gives a view: the largest selections of the suite are the first so many records.
        rows: slice | np.ndarray
        if isinstance(positions, range) and positions.step == 1:
            rows = slice(positions.start, positions.stop)
        else:
            rows = np.asarray(positions, dtype=int)
        return replace(
            self,
            conditions=tuple(self.conditions[i] for i in positions),
            identifiers=tuple(self.identifiers[i] for i in positions),
            microvolts=self.microvolts[rows],
            residuals=self.residuals[rows],
            digests=tuple(self.digests[i] for i in positions),
        )

    def eight(self) -> np.ndarray:
        """Leads I, II, V1–V6: float32 mV, shape (n, 8, 1000)."""
        return self.microvolts.astype(np.float32) / np.float32(1000)

    def twelve(self) -> np.ndarray:
        """All leads, the derived ones from I and II: float32 mV, shape (n, 12, 1000)."""
        signals = np.empty((len(self), len(LEADS), self.microvolts.shape[2]), dtype=np.float32)
        for first in range(0, len(self), _BATCH):
            part = self.microvolts[first : first + _BATCH].astype(np.float32) / np.float32(1000)
            signals[first : first + _BATCH] = to_twelve(part)
        return signals

    def batches(self, size: int = _BATCH) -> Iterator[Records]:
        """All records, `size` at a time."""
        for first in range(0, len(self), size):
            yield self.select(range(first, min(first + size, len(self))))


def load_records(source: ECGSource, advance: Callable[[int], object] = lambda n: None) -> Records:
    """All records of a source, at 100 Hz and cut to ten seconds.

    Args:
        advance: is told the number of records read, batch by batch.

    Raises:
        DataError: a record cannot be read, is shorter, holds what is no number (NaN), or goes beyond 32.767 mV.
    """
    source = fitted(source, RATE, SECONDS)
    microvolts = np.empty((len(source), 8, source.samples), dtype=np.int16)
    residuals = np.empty(len(source))
    digests: list[str] = []
    done = 0
    for batch in source.batches(_BATCH):
        eight = to_eight(batch.signals)
        _check(source.name, batch, eight)
        rows = slice(done, done + len(batch))
        microvolts[rows] = np.rint(eight * 1000)
        residuals[rows] = np.abs(batch.signals - to_twelve(eight)).max(axis=(1, 2)) * 1000
        digests += _digests(microvolts[rows])
        done += len(batch)
        advance(len(batch))
    return Records(source.name, source.conditions, source.identifiers, microvolts, residuals, tuple(digests))


def join(first: Records, second: Records) -> Records:
    """The records of both, the first ones first."""
    return Records(
        name=first.name,
        conditions=first.conditions + second.conditions,
        identifiers=first.identifiers + second.identifiers,
        microvolts=np.concatenate([first.microvolts, second.microvolts]),
        residuals=np.concatenate([first.residuals, second.residuals]),
        digests=first.digests + second.digests,
    )


def replaced(records: Records, signals: np.ndarray) -> Records:
    """The records with other signals: mV, shape (n, 12, 1000)."""
    microvolts = np.rint(to_eight(signals) * 1000).astype(np.int16)
    return replace(records, microvolts=microvolts, residuals=np.zeros(len(records)), digests=_digests(microvolts))


def _digests(microvolts: np.ndarray) -> tuple[str, ...]:
    return tuple(hashlib.blake2b(record.tobytes(), digest_size=16).hexdigest() for record in microvolts)


def _check(name: str, batch: ECGBatch, eight: np.ndarray) -> None:
    missing = np.isnan(batch.signals)
    if missing.any():
        record, lead, sample = np.argwhere(missing)[0]
        raise DataError(
            f"{name}, record {batch.identifiers[record]}: lead {LEADS[lead]} has no number (NaN) at {sample / RATE:g} "
            "s; fill the gap or leave the record out"
        )
    highest = np.abs(eight).max(axis=2)
    if highest.max() * 1000 > _LARGEST_UV:
        record, lead = np.unravel_index(np.argmax(highest), highest.shape)
        raise DataError(
            f"{name}, record {batch.identifiers[record]}: lead {INDEPENDENT_LEADS[lead]} reaches "
            f"{highest[record, lead]:g} mV, beyond {_LARGEST_UV / 1000:g} mV; mend its unit or leave the record out"
        )
