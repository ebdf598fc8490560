"""Utility: what classifiers learn from synthetic ECGs, beside what they learn from as many real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import EcgsdkError
from ecgsdk.validation.records import Records, join
from ecgsdk.validation.results import Failure
from ecgsdk.validation.utility.tasks import GROUP_TASKS, TaskRows, label_matrix, task_rows
from ecgsdk.validation.utility.trainings import Trainer, Training

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.datasets import DataSets
    from ecgsdk.validation.progress import Progress
    from ecgsdk.validation.settings import Settings

__all__ = ["MULTI_LABEL", "AugmentationPoint", "Outcome", "augmentation", "outcomes"]

MULTI_LABEL = "labels"
"""Name of the task that tells all labels at once; the binary ones are named after their groups."""

_AUGMENTED_SIZES = (500, 1_000, 2_000, 5_000)
_FEWEST_OF_A_CLASS = 10


@dataclass(frozen=True, eq=False)
class Outcome:
    """One training of one classifier, tested on one kind of records.

    Attributes:
        classifier: its name.
        task: "labels" or a group.
        protocol: "trtr", "tstr", "trts" or "tsts".
        seed: of the training.
        trained_on: number of records.
        truth: bool, shape (n, labels).
        probabilities: shape (n, labels).
    """

    classifier: str
    task: str
    protocol: str
    seed: int
    trained_on: int
    truth: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class AugmentationPoint:
    """Macro-AUROC on real test records after training on some real ones, alone and with synthetic ones added."""

    real: int
    synthetic: int
    alone: float
    together: float


@dataclass(frozen=True, eq=False)
class _Task:
    """Records and labels of a task on each side, to train ("real", "synthetic") and to test."""

    name: str
    train: dict[str, tuple[Records, np.ndarray]]
    test: dict[str, tuple[Records, np.ndarray]]


def outcomes(
    data: DataSets, trainers: Sequence[Trainer], settings: Settings, cache: Cache, progress: Progress
) -> tuple[list[Outcome], list[Failure]]:
    """All trainings that the protocols need, tested. A classifier that fails costs its own outcomes only."""
    tasks, failures = _tasks(data, settings)
    sides = [side for side in ("real", "synthetic") if any(_trained_on(p) == side for p in settings.protocols)]
    found: list[Outcome] = []
    with progress("training classifiers", len(trainers) * len(tasks) * len(sides) * settings.seeds) as advance:
        for trainer in trainers:
            try:
                for task in tasks:
                    for side in sides:
                        for seed in range(settings.seed, settings.seed + settings.seeds):
                            found += _tested(trainer, task, side, seed, settings.protocols, cache)
                            advance(1)
            except EcgsdkError as error:
                failures.append(Failure(f"classifier {trainer.name}", str(error)))
                found = [outcome for outcome in found if outcome.classifier != trainer.name]
    return found, failures


def augmentation(
    data: DataSets, trainer: Trainer, settings: Settings, cache: Cache, progress: Progress
) -> list[AugmentationPoint]:
    """Training on few real records, alone and together with all synthetic ones of the multi-label task."""
    from ecgsdk.validation.scores import macro_auroc

    synthetic = data.synthetic_train.select(range(data.multi))
    truth = label_matrix(data.test.conditions)
    sizes = [size for size in _AUGMENTED_SIZES if size <= data.multi]
    points = []
    with progress("training with real and synthetic ECGs", 2 * len(sizes)) as advance:
        for size in sizes:
            real = data.train.select(range(size))
            scores = []
            for records in (real, join(real, synthetic)):
                training = Training(records, label_matrix(records.conditions), {"real": data.test})
                told = training.probabilities(trainer, settings.seed, cache)["real"]
                scores.append(macro_auroc(truth, told))
                advance(1)
            points.append(AugmentationPoint(size, len(synthetic), *scores))
    return points


def _tasks(data: DataSets, settings: Settings) -> tuple[list[_Task], list[Failure]]:
    tasks, failures = [_multi_label(data)], []
    for group in GROUP_TASKS:
        task = _binary(data, group, settings.task_records)
        if task is None:
            failures.append(
                Failure(
                    f"normal against {group}", f"fewer than {_FEWEST_OF_A_CLASS} records of a class; give more ECGs"
                )
            )
        else:
            tasks.append(task)
    return tasks, failures


def _multi_label(data: DataSets) -> _Task:
    train = {"real": data.train, "synthetic": data.synthetic_train}
    test = {"real": data.test, "synthetic": data.synthetic_test}
    return _Task(
        MULTI_LABEL,
        {side: _labelled(records.select(range(data.multi))) for side, records in train.items()},
        {side: _labelled(records) for side, records in test.items()},
    )


def _labelled(records: Records) -> tuple[Records, np.ndarray]:
    return records, label_matrix(records.conditions)


def _binary(data: DataSets, group: str, most: int) -> _Task | None:
    """Normal against a group: classes of one size, the same for real and synthetic; None where there are too few."""
    train = {"real": data.train, "synthetic": data.synthetic_train}
    test = {"real": data.test, "synthetic": data.synthetic_test}
    rows = {side: task_rows(records.conditions, group) for side, records in train.items()}
    size = min(most, *(task.smaller_side for task in rows.values()))
    tested = {side: task_rows(records.conditions, group) for side, records in test.items()}
    if min(size, *(task.smaller_side for task in tested.values())) < _FEWEST_OF_A_CLASS:
        return None
    return _Task(
        group,
        {side: _chosen(records, rows[side].balanced(size)) for side, records in train.items()},
        {side: _chosen(records, tested[side]) for side, records in test.items()},
    )


def _chosen(records: Records, rows: TaskRows) -> tuple[Records, np.ndarray]:
    return records.select(rows.positions), rows.labels[:, None]


def _trained_on(protocol: str) -> str:
    return "real" if protocol.startswith("tr") else "synthetic"


def _tested(
    trainer: Trainer, task: _Task, side: str, seed: int, protocols: Sequence[str], cache: Cache
) -> Iterator[Outcome]:
    records, labels = task.train[side]
    training = Training(records, labels, {name: records for name, (records, _) in task.test.items()})
    told = training.probabilities(trainer, seed, cache)
    for name, probabilities in told.items():
        protocol = f"t{side[0]}t{name[0]}"
        if protocol in protocols:
            yield Outcome(trainer.name, task.name, protocol, seed, len(records), task.test[name][1], probabilities)
