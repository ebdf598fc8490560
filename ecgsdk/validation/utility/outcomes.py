"""Utility: what classifiers learn from synthetic ECGs, beside what they learn from as many real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import EcgsdkError
from ecgsdk.validation.records import Records, join
from ecgsdk.validation.results import Failure
from ecgsdk.validation.scores import macro_auroc
from ecgsdk.validation.utility.shortages import class_shortage, enough, label_shortage
from ecgsdk.validation.utility.tasks import GROUP_TASKS, LABELS, label_matrix, task_rows
from ecgsdk.validation.utility.trainings import Trainer, Training

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.datasets import DataSets
    from ecgsdk.validation.progress import Progress
    from ecgsdk.validation.settings import Settings

__all__ = ["AUGMENTED_SIZES", "MULTI_LABEL", "AugmentationPoint", "Outcome", "augmentation", "outcomes"]

MULTI_LABEL = "labels"
"""Name of the task that tells all labels at once; the binary ones are named after their groups."""

AUGMENTED_SIZES = (500, 1_000, 2_000, 5_000)
"""Numbers of real records of the augmentation curve."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One training of one classifier, tested on one kind of records.

    Attributes:
        classifier: its name.
        task: "labels" or a group.
        protocol: "trtr", "tstr", "trts" or "tsts".
        seed: of the training.
        trained_on: number of records.
        labels: names of the columns below; the same in all protocols.
        truth: bool, shape (n, labels).
        probabilities: shape (n, labels).
    """

    classifier: str
    task: str
    protocol: str
    seed: int
    trained_on: int
    labels: tuple[str, ...]
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
class _Part:
    """The records of one side that a task trains or tests on; they are copied only while they are used."""

    records: Records
    positions: np.ndarray | range
    truth: np.ndarray

    def chosen(self) -> Records:
        return self.records.select(self.positions)


@dataclass(frozen=True, eq=False)
class _Task:
    """What a task trains and is tested on, on each side ("real", "synthetic")."""

    name: str
    labels: tuple[str, ...]
    train: dict[str, _Part]
    test: dict[str, _Part]


def outcomes(
    data: DataSets, trainers: Sequence[Trainer], settings: Settings, cache: Cache, progress: Progress
) -> tuple[list[Outcome], list[Failure], list[str]]:
    """All trainings that the protocols need, tested. A classifier that fails costs its own outcomes only.

    Returns:
        The outcomes, what there are none of and why, and notes on what was left out.
    """
    tasks, failures, notes = _tasks(data, settings)
    sides = [side for side in ("real", "synthetic") if any(_trained_on(p) == side for p in settings.protocols)]
    found: list[Outcome] = []
    seeds = range(settings.seed, settings.seed + settings.seeds)
    trainings = [(task, side, seed) for task in tasks for side in sides for seed in seeds]
    for trainer in trainers:
        own: list[Outcome] = []
        try:
            with progress(f"training {trainer.name}", len(trainings)) as advance:
                for task, side, seed in trainings:
                    own += _tested(trainer, task, side, seed, settings.protocols, cache)
                    advance(1)
        except EcgsdkError as error:
            failures.append(Failure(f"classifier {trainer.name}", str(error)))
        else:
            found += own
    return found, failures, notes


def augmentation(
    data: DataSets, trainer: Trainer, settings: Settings, cache: Cache, progress: Progress
) -> list[AugmentationPoint]:
    """Training on few real records, alone and together with all synthetic ones of the multi-label task.

    The labels are those of that task.

    Returns:
        A point for each size that there are real records for; none where no label has enough of them.
    """
    synthetic = data.synthetic_train.select(range(data.multi))
    kept = np.flatnonzero(enough(_label_sides(data, (*settings.protocols, "tstr"))))
    truth = label_matrix(data.test.conditions)[:, kept]
    sizes = [size for size in AUGMENTED_SIZES if size <= data.multi] if len(kept) else []
    points = []
    with progress("training with real and synthetic ECGs", 2 * len(sizes)) as advance:
        for size in sizes:
            real = data.train.select(range(size))
            scores = []
            for records in (real, join(real, synthetic)):
                training = Training(records, label_matrix(records.conditions)[:, kept], {"real": data.test})
                told = training.probabilities(trainer, settings.seed, cache)["real"]
                scores.append(macro_auroc(truth, told))
                advance(1)
            points.append(AugmentationPoint(size, len(synthetic), *scores))
    return points


def _tasks(data: DataSets, settings: Settings) -> tuple[list[_Task], list[Failure], list[str]]:
    """The tasks that there are enough records for, why there are no others, and a note on labels left out."""
    tasks, failures, notes = [], [], []
    sides = _label_sides(data, settings.protocols)
    kept = enough(sides)
    lacking = label_shortage(sides, tuple(LABELS))
    if not kept.any():
        failures.append(Failure("labels", f"{lacking}; give more ECGs"))
    else:
        tasks.append(_multi_label(data, np.flatnonzero(kept)))
        if not kept.all():
            out = kept.size - kept.sum()
            verb = "is" if out == 1 else "are"
            notes.append(f"{out} of {kept.size} labels {verb} left out of all protocols; {lacking}.")
    for group in GROUP_TASKS:
        task, lacking = _binary(data, group, settings)
        if task is None:
            failures.append(Failure(f"normal against {group}", lacking))
        else:
            tasks.append(task)
    return tasks, failures, notes


def _records(data: DataSets) -> tuple[dict[str, Records], dict[str, Records]]:
    """What there is to train and to test on, by side; a side without test records is left out."""
    test = {"real": data.test, "synthetic": data.synthetic_test}
    return (
        {"real": data.train, "synthetic": data.synthetic_train},
        {side: records for side, records in test.items() if len(records)},
    )


def _label_sides(data: DataSets, protocols: Sequence[str]) -> dict[str, np.ndarray]:
    """Labels of the records of the multi-label task, of each side that the protocols need."""
    train, test = _records(data)
    sides = {f"{side} training": records.conditions[: data.multi] for side, records in train.items()}
    sides |= {f"{side} test": test[side].conditions for side in _tested_on(protocols)}
    return {side: label_matrix(conditions) for side, conditions in sides.items()}


def _multi_label(data: DataSets, kept: np.ndarray) -> _Task:
    train, test = _records(data)
    labels = tuple(LABELS)
    return _Task(
        MULTI_LABEL,
        tuple(labels[k] for k in kept),
        {side: _labelled(records, data.multi, kept) for side, records in train.items()},
        {side: _labelled(records, len(records), kept) for side, records in test.items()},
    )


def _labelled(records: Records, n: int, kept: np.ndarray) -> _Part:
    return _Part(records, range(n), label_matrix(records.conditions[:n])[:, kept])


def _binary(data: DataSets, group: str, settings: Settings) -> tuple[_Task | None, str]:
    """Normal against a group: classes of one size, the same for real and synthetic; or what is lacking."""
    train, test = _records(data)
    learned = {side: task_rows(records.conditions, group) for side, records in train.items()}
    asked = {side: task_rows(records.conditions, group) for side, records in test.items()}
    lacking = class_shortage(
        {f"{side} training": rows for side, rows in learned.items()}
        | {f"{side} test": asked[side] for side in _tested_on(settings.protocols)},
        group,
    )
    if lacking:
        return None, lacking
    size = min(settings.task_records, *(rows.smaller_side for rows in learned.values()))
    balanced = {side: rows.balanced(size) for side, rows in learned.items()}
    task = _Task(
        group,
        (group,),
        {side: _Part(train[side], rows.positions, rows.labels[:, None]) for side, rows in balanced.items()},
        {side: _Part(test[side], rows.positions, rows.labels[:, None]) for side, rows in asked.items() if len(rows)},
    )
    return task, ""


def _tested_on(protocols: Sequence[str]) -> list[str]:
    return [side for side in ("real", "synthetic") if any(protocol[3] == side[0] for protocol in protocols)]


def _trained_on(protocol: str) -> str:
    return "real" if protocol.startswith("tr") else "synthetic"


def _tested(
    trainer: Trainer, task: _Task, side: str, seed: int, protocols: Sequence[str], cache: Cache
) -> Iterator[Outcome]:
    part = task.train[side]
    training = Training(part.chosen(), part.truth, {name: test.chosen() for name, test in task.test.items()})
    told = training.probabilities(trainer, seed, cache)
    for name, probabilities in told.items():
        protocol = f"t{side[0]}t{name[0]}"
        if protocol in protocols:
            n, truth = len(part.truth), task.test[name].truth
            yield Outcome(trainer.name, task.name, protocol, seed, n, task.labels, truth, probabilities)
