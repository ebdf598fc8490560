"""Trainings: each classifier trained on real or synthetic records and tested on both, with the results kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import PluginError
from ecgsdk.validation.agreement.fixed import prepared
from ecgsdk.validation.records import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecgsdk.classifiers import TrainableClassifier
    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.records import Records

__all__ = ["Trainer", "Training"]

_BATCH = 512


@dataclass(frozen=True)
class Trainer:
    """A trainable classifier that is installed.

    Attributes:
        name, version: of the classifier and of its distribution.
        make: a new, untrained one.
    """

    name: str
    version: str
    make: Callable[[], TrainableClassifier]


@dataclass(frozen=True, eq=False)
class Training:
    """One training of a classifier, and what it then says of test records.

    Attributes:
        records, labels: to learn from; bool, shape (n, labels).
        tests: records to be told, by name.
    """

    records: Records
    labels: np.ndarray
    tests: Mapping[str, Records]

    def probabilities(self, trainer: Trainer, seed: int, cache: Cache) -> dict[str, np.ndarray]:
        """Probability of each label in each test record, shape (n, labels), by the tests' names.

        Raises:
            PluginError: the classifier fails, or gives what is no probability.
        """
        facts = {
            "classifier": [trainer.name, trainer.version],
            "train": self.records.key,
            "labels": np.packbits(self.labels).tobytes().hex(),
            "tests": {name: records.key for name, records in self.tests.items()},
            "seed": seed,
        }
        return cache.arrays("training", facts, lambda: self._train_and_test(trainer, seed))

    def _train_and_test(self, trainer: Trainer, seed: int) -> dict[str, np.ndarray]:
        try:
            classifier = trainer.make()
            classifier.fit(_signals(self.records, classifier), self.labels, seed=seed)
            return {name: self._told(trainer, classifier, records) for name, records in self.tests.items()}
        except PluginError:
            raise
        except Exception as error:  # a plugin may raise anything, and must not cost the others their results
            reason = " ".join(str(error).split()) or repr(error)
            raise PluginError(f"classifier {trainer.name}: {type(error).__name__}: {reason}") from error

    def _told(self, trainer: Trainer, classifier: TrainableClassifier, records: Records) -> np.ndarray:
        parts = [
            np.asarray(classifier.predict_proba(prepared(batch.twelve(), RATE, classifier)), dtype=np.float32)
            for batch in records.batches(_BATCH)
        ]
        told = np.concatenate(parts)
        if told.shape != (len(records), self.labels.shape[1]):
            wanted = (len(records), self.labels.shape[1])
            raise PluginError(f"classifier {trainer.name}: predict_proba gave shape {told.shape}, not {wanted}")
        if not ((told >= -1e-6) & (told <= 1 + 1e-6)).all():
            raise PluginError(f"classifier {trainer.name}: predict_proba gave what is no probability")
        return told


def _signals(records: Records, classifier: TrainableClassifier) -> np.ndarray:
    """All records as the classifier wants them, made a batch at a time: the largest array of the suite, held once."""
    signals = None
    done = 0
    for batch in records.batches():
        part = prepared(batch.twelve(), RATE, classifier)
        if signals is None:
            signals = np.empty((len(records), *part.shape[1:]), dtype=np.float32)
        signals[done : done + len(part)] = part
        done += len(part)
    return np.empty((0, 0, 0), dtype=np.float32) if signals is None else signals
