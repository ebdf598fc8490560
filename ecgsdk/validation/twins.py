"""Twins: a synthetic ECG for each real one, by either kind of model, kept in shards; an interrupted run goes on."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.cohort import Cohort
from ecgsdk.errors import DataError
from ecgsdk.quality import quality_options
from ecgsdk.readers import read_ecgs
from ecgsdk.validation.records import RATE
from ecgsdk.writers import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.conditions import Condition
    from ecgsdk.hookspecs import ECGGenerator
    from ecgsdk.readers import ECGSource
    from ecgsdk.synthesiser import Synthesiser
    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.progress import Advance, Progress
    from ecgsdk.validation.settings import Settings

__all__ = ["SHARD", "joined", "resyntheses", "twins"]

SHARD = 250
"""Records of a file in the cache: as many as an interruption costs at most, minutes of a slow machine."""


@dataclass(frozen=True)
class _Making:
    """How the synthetic ECGs of some rows are made, and what they depend on."""

    rate: float
    provenance: Provenance
    facts: Callable[[range], dict[str, object]]
    batches: Callable[[range], Iterator[ECGBatch]]


def twins(
    generator: ECGGenerator, asked: Sequence[Condition], settings: Settings, cache: Cache, progress: Progress
) -> ECGSource:
    """One synthetic ECG of each condition, in order; what the cache holds is not made again.

    Raises:
        ConditionError: the generator cannot be asked for one of them.
    """
    cohort = Cohort.from_conditions(asked)
    rate = RATE if RATE in generator.sampling_rates else generator.sampling_rates[0]
    seed, options = settings.seed, quality_options(generator, settings.quality, settings.steps)

    def facts(rows: range) -> dict[str, object]:
        return {"asked": [condition.as_dict() for condition in cohort.conditions[rows.start : rows.stop]]}

    def batches(rows: range) -> Iterator[ECGBatch]:
        return generator.generate(cohort, len(rows), seed=seed, start=rows.start, sampling_rate=rate, **options)

    making = _Making(rate, generator.provenance(seed=seed, **options), facts, batches)
    return replace(_shards(making, len(asked), cache, progress), name=generator.name)


def resyntheses(
    synthesiser: Synthesiser, source: ECGSource, settings: Settings, cache: Cache, progress: Progress
) -> ECGSource:
    """One synthetic ECG of each real one, in order; what the cache holds is not made again.

    Raises:
        DataError: a real ECG cannot be read.
    """
    seed, strength = settings.seed, 1.0 if settings.strength is None else settings.strength

    def facts(rows: range) -> dict[str, object]:
        digest = hashlib.sha256()
        for batch in source.select(rows).batches():
            digest.update(batch.signals.tobytes())
        known = [condition.as_dict() for condition in source.conditions[rows.start : rows.stop]]
        return {"sources": digest.hexdigest(), "conditions": known}

    def batches(rows: range) -> Iterator[ECGBatch]:
        return synthesiser.resynthesize(source.select(rows), seed=seed, strength=strength, start=rows.start)

    making = _Making(
        synthesiser.sampling_rates[0], synthesiser.provenance(seed=seed, strength=strength), facts, batches
    )
    return replace(_shards(making, len(source), cache, progress), name=synthesiser.name)


def _shards(making: _Making, n: int, cache: Cache, progress: Progress) -> ECGSource:
    with progress("generating synthetic ECGs", n) as advance:
        return joined(
            [_shard(making, range(first, min(first + SHARD, n)), cache, advance) for first in range(0, n, SHARD)]
        )


def _shard(making: _Making, rows: range, cache: Cache, advance: Advance) -> ECGSource:
    """The ECGs of these rows; a damaged file is made anew. Another run may keep the same ones at the same time."""
    facts = {"provenance": making.provenance.as_dict(), "first": rows.start, **making.facts(rows)}
    path = cache.path("synthetic", facts, ".h5")
    with suppress(DataError):
        kept = read_ecgs(path)
        advance(len(kept))
        return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = open_writer(
        path,
        "hdf5",
        sampling_rate=making.rate,
        total=len(rows),
        provenance=making.provenance,
        overwrite=True,
    )
    with writer as sink:
        for batch in making.batches(rows):
            sink.write(batch)
            advance(len(batch))
    return read_ecgs(path)


def joined(sources: Sequence[ECGSource]) -> ECGSource:
    """The records of all sources, which are of one rate and length, in order."""
    return replace(
        sources[0],
        conditions=tuple(condition for source in sources for condition in source.conditions),
        identifiers=tuple(identifier for source in sources for identifier in source.identifiers),
        folds=tuple(fold for source in sources for fold in source.folds),
        read=partial(_read_joined, tuple(sources), np.cumsum([0, *map(len, sources)])),
    )


def _read_joined(sources: Sequence[ECGSource], starts: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    positions = np.asarray(chosen, dtype=int)
    holders = np.searchsorted(starts, positions, side="right") - 1
    signals = np.empty((len(positions), 12, sources[0].samples), dtype=np.float32)
    for holder in np.unique(holders):
        rows = np.flatnonzero(holders == holder)
        signals[rows] = sources[holder].read((positions[rows] - starts[holder]).tolist())
    return signals
