"""Dataset: what a data set holds once its ECGs are made, for the table and all the pages that describe it."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.beats import detect_beats, heart_rate
from ecgsdk.conditions import GROUPS
from ecgsdk.dataset.split import TEST, split_records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecgsdk.batch import Provenance
    from ecgsdk.conditions import Condition
    from ecgsdk.dataset.origin import Origin
    from ecgsdk.dataset.plan import Plan
    from ecgsdk.readers import ECGSource
    from ecgsdk.validation.progress import Progress

__all__ = ["Dataset", "Group", "Row", "describe_dataset"]

_PACKAGES = ("numpy", "h5py", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True)
class Row:
    """One record.

    Attributes:
        record: its number, counted from 0, and its row in HDF5.
        group, split: standard group; "train" or "test".
        condition: what was asked of it, or is known of its source.
        measured_heart_rate: bpm, from the beats found in the record as written; NaN where there are fewer than two.
        source: number of the real ECG that it was made from; None for a generator.
    """

    record: int
    group: str
    split: str
    condition: Condition
    measured_heart_rate: float
    source: int | None = None


@dataclass(frozen=True)
class Group:
    """What a standard group comes to.

    Attributes:
        name, records, test: of the group, in all and in the test set.
        sources: different real ECGs behind it; None for a generator.
        heart_rate, age: medians of the measured rate in bpm and of the age in years; NaN where none is known.
        women: share of the records with a known sex, in %; NaN likewise.
    """

    name: str
    records: int
    test: int
    sources: int | None
    heart_rate: float
    age: float
    women: float


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set.

    Attributes:
        plan: what was asked for.
        card: of the model, of either kind.
        provenance: what made the ECGs.
        device: where the model ran.
        sampling_rate: Hz.
        samples: of each record.
        rows: one for each record, in order.
        patients_known: whether real sources are known by patient; None for a generator.
        accompanied: whether a generator drew further statements beside the groups'.
        versions: of Python and of the packages that have a part in the bytes.
    """

    plan: Plan
    card: Any
    provenance: Provenance
    device: str
    sampling_rate: float
    samples: int
    rows: tuple[Row, ...]
    patients_known: bool | None
    accompanied: bool
    versions: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The model's name and the number of records."""
        return f"{self.card.name}-{len(self.rows)}"

    @property
    def resynthesised(self) -> bool:
        """Whether each ECG was made from a real one."""
        return self.patients_known is not None

    @property
    def command(self) -> str:
        """The command that builds it."""
        return self.plan.command(self.card.name)

    def groups(self) -> list[Group]:
        """What each standard group comes to."""
        return [_group(name, [row for row in self.rows if row.group == name]) for name in GROUPS]


def describe_dataset(plan: Plan, origin: Origin, written: ECGSource, progress: Progress) -> Dataset:
    """The data set whose ECGs are `written`: split, and measured as they lie on the disk.

    Raises:
        DataError: what was written cannot be read.
    """
    sources, groups = origin.sources, plan.groups()
    units = range(plan.total) if sources is None else sources.patients
    placed = split_records(groups, units, plan.seed, plan.test_share)
    rates = _measured_rates(written, progress)
    numbers = [None] * plan.total if sources is None else sources.numbers
    return Dataset(
        plan=plan,
        card=origin.card,
        provenance=origin.provenance,
        device=origin.device,
        sampling_rate=written.sampling_rate,
        samples=written.samples,
        rows=tuple(map(Row, range(plan.total), groups, placed, written.conditions, rates, numbers)),
        patients_known=None if sources is None else sources.patients_known,
        accompanied=origin.accompanied,
        versions=_versions(),
    )


def _measured_rates(source: ECGSource, progress: Progress) -> list[float]:
    rates: list[float] = []
    with progress("measuring heart rates", len(source)) as advance:
        for batch in source.batches():
            rates += [heart_rate(beats) for beats in detect_beats(batch.signals, batch.sampling_rate)]
            advance(len(batch))
    return rates


def _group(name: str, rows: list[Row]) -> Group:
    sexes = [row.condition.sex for row in rows if row.condition.sex is not None]
    sources = {row.source for row in rows}
    return Group(
        name=name,
        records=len(rows),
        test=sum(row.split == TEST for row in rows),
        sources=None if None in sources else len(sources),
        heart_rate=_median(row.measured_heart_rate for row in rows),
        age=_median(row.condition.age for row in rows),  # type: ignore[misc]
        women=100 * sexes.count("F") / len(sexes) if sexes else float("nan"),
    )


def _median(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _versions() -> tuple[tuple[str, str], ...]:
    from ecgsdk import __version__

    found = [("ecgsdk", __version__), ("Python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)
