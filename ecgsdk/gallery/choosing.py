"""Which ECGs a gallery shows: some of each standard group, drawn by a seed, in one pass over any source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import GROUPS, STATEMENTS
from ecgsdk.errors import DataError
from ecgsdk.readers import ECGSource, read_ecgs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecgsdk.conditions import Condition

__all__ = ["OTHER", "Choice", "choose", "group_title"]

OTHER = "other"
"""Name of the group of the records that belong to none of the standard ones."""


@dataclass(frozen=True)
class Choice:
    """What a gallery shows.

    Attributes:
        name: of the source, without its folder; empty where the ECGs come from memory.
        shown: the records of each group, one-record batches in the order in which they were drawn; no group is empty.
        counts: how many records the source has in each of these groups.
    """

    name: str
    shown: dict[str, list[ECGBatch]]
    counts: dict[str, int]

    def records(self) -> list[ECGBatch]:
        """All that is shown, group by group."""
        return [record for records in self.shown.values() for record in records]


def choose(
    source: str | Path | ECGSource | ECGBatch | Iterable[ECGBatch], per_group: int, seed: int, seconds: float
) -> Choice:
    """Up to `per_group` records of each standard group, and of those that belong to none.

    A record of several groups counts for the first of them. Which ones are drawn depends on the records' order and the
    seed alone: batches of any size give the same.

    Args:
        source: a path that `ecgsdk.read_ecgs` reads, a source, a batch, or batches one after another.
        per_group: at least 1.
        seed: of the draw.
        seconds: how much of a record's beginning is kept.

    Raises:
        DataError: the source cannot be read, or there are no records.
    """
    if isinstance(source, (str, Path)):
        source = read_ecgs(source)
    name = Path(source.name).name if isinstance(source, ECGSource) else ""
    if isinstance(source, ECGSource):
        drawn, counts = _draw(zip(source.conditions, range(len(source))), per_group, seed)
        shown = {group: [_first_seconds(_read(source, i), seconds) for i in drawn[group]] for group in drawn}
    else:
        batches = [source] if isinstance(source, ECGBatch) else source
        shown, counts = _draw(_records(batches, seconds), per_group, seed)
    if not shown:
        raise DataError(f"{name or 'the source'} has no records to show")
    return Choice(name, shown, counts)


def group_title(group: str) -> str:
    """The group in words, with a capital: "Atrial fibrillation or atrial flutter"."""
    if group == OTHER:
        return "Other statements, or none"
    words = " or ".join(STATEMENTS[code] for code in GROUPS[group])
    return words[0].upper() + words[1:]


def _draw(
    records: Iterable[tuple[Condition, Any]], per_group: int, seed: int
) -> tuple[dict[str, list[Any]], dict[str, int]]:
    """What stands for the records of each group with the lowest random numbers, and how many the groups have."""
    random = np.random.default_rng(seed)
    best: dict[str, list[tuple[float, Any]]] = {group: [] for group in (*GROUPS, OTHER)}
    counts = dict.fromkeys(best, 0)
    for condition, record in records:
        group = next(iter(condition.groups()), OTHER)
        number = random.random()
        counts[group] += 1
        if len(best[group]) < per_group or number < best[group][-1][0]:
            best[group] = sorted([*best[group], (number, record)], key=lambda pair: pair[0])[:per_group]
    drawn = {group: [record for _, record in pairs] for group, pairs in best.items() if pairs}
    return drawn, {group: counts[group] for group in drawn}


def _records(batches: Iterable[ECGBatch], seconds: float) -> Iterator[tuple[Condition, ECGBatch]]:
    for batch in batches:
        for index, condition in enumerate(batch.conditions):
            yield condition, _first_seconds(batch[index], seconds)


def _read(source: ECGSource, position: int) -> ECGBatch:
    return next(source.select([position]).batches(1))


def _first_seconds(record: ECGBatch, seconds: float) -> ECGBatch:
    """A copy, or a few records would keep all their batches in memory."""
    return replace(record, signals=record.signals[..., : round(seconds * record.sampling_rate)].copy())
