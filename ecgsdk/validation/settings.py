"""What the validation suite is asked for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgsdk.conditions import check_known
from ecgsdk.errors import ConditionError, DataError

__all__ = ["PROTOCOLS", "SECTIONS", "Settings"]

SECTIONS = ("utility", "fidelity", "physiology", "privacy", "agreement", "plugins")
"""Parts of the report."""

PROTOCOLS = ("trtr", "tstr", "trts", "tsts")
"""Train and test on real or synthetic: `tstr` trains on synthetic and tests on real ECGs."""


@dataclass(frozen=True)
class Settings:
    """What to validate, against what, and how thoroughly.

    Attributes:
        real: real ECGs: a PTB-XL folder or anything that `read_ecgs` understands.
        synthetic: a file or folder of synthetic ECGs, ecgsdk's or of any other origin; or
        generator: a model or registered generator, which is asked for a twin of each real record: an ECG of the same
            statements, age and sex; or a synthesiser, which makes one of each real record. Without either: the shipped
            generator.
        real_test: real ECGs to test on, where `real` has no folds.
        members: real ECGs that the generator was trained on; default: the training folds, if its card says so.
        name: what made the synthetic ECGs, where their file does not say it.
        skip_damaged: whether records that cannot be read are left out; else they are an error.
        sampling_rate, input_rate, input_unit, input_leads: of the real ECGs, as for `ecgsdk.read_ecgs`.
        train_folds, test_folds: of `real`.
        sections: parts of the report.
        classifiers: names, or "onnx:FILE"; None: all that are installed.
        protocols: of the utility section.
        records: to train on, of each kind, in the multi-label task.
        task_records: to train on, of each class, in the binary tasks.
        augmentation: the classifier of the augmentation curves, None for no curves.
        seeds: trainings of each classifier.
        seed: of all that is drawn.
        steps: flow evaluations of the generator; None: its default.
        quality: of the generator, "standard" or "high", in place of steps.
        strength: how far a synthesiser's ECGs are from their sources; None: 1.
        device: where the generator runs.
    """

    real: str
    synthetic: str | None = None
    generator: str | None = None
    real_test: str | None = None
    members: str | None = None
    name: str | None = None
    skip_damaged: bool = False
    sampling_rate: float | None = None
    input_rate: float | None = None
    input_unit: str | None = None
    input_leads: tuple[str, ...] | None = None
    train_folds: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    test_folds: tuple[int, ...] = (9,)
    sections: tuple[str, ...] = SECTIONS
    classifiers: tuple[str, ...] | None = None
    protocols: tuple[str, ...] = PROTOCOLS
    records: int = 10_000
    task_records: int = 1_000
    augmentation: str | None = None
    seeds: int = 1
    seed: int = 0
    steps: int | None = None
    quality: str | None = None
    strength: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        check_known("section", self.sections, SECTIONS)
        check_known("protocol", self.protocols, PROTOCOLS)
        if self.synthetic is not None and self.generator is not None:
            raise ConditionError("give either synthetic ECGs or a generator, not both")
        if self.name is not None and self.synthetic is None:
            raise ConditionError("a name is that of what made given synthetic ECGs (--synthetic); leave it out")
        of_a_model = [name for name in ("quality", "steps", "strength") if getattr(self, name) is not None]
        if self.synthetic is not None and of_a_model:
            what = f"{of_a_model[0]} is of a generator, which given synthetic ECGs (--synthetic) need not"
            raise ConditionError(f"{what}; leave it out")
        if self.records < 100 or self.task_records < 10 or self.seeds < 1:
            raise ConditionError("at least 100 records, 10 records of each class and 1 seed are needed")
        both = sorted(set(self.train_folds) & set(self.test_folds))
        if both:
            raise DataError(
                f"fold {both[0]} is to train and to test on; a classifier is never tested on what it learned"
            )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values, paths by their last part only."""
        values = dataclasses.asdict(self)
        for name in ("real", "synthetic", "real_test", "members"):
            if values[name] is not None:
                values[name] = Path(values[name]).name
        return values
