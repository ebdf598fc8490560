"""Roster: the classifiers that take part in a validation, those of plugins and ONNX files."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.conditions import check_known
from ecgsdk.errors import EcgsdkError, PluginError, PluginWarning
from ecgsdk.plugins import installed_plugins
from ecgsdk.validation.results import Failure
from ecgsdk.validation.utility.trainings import Trainer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecgsdk.classifiers import FixedClassifier
    from ecgsdk.plugins import Plugins

__all__ = ["ONNX_PREFIX", "Roster", "call_roster", "check_names"]

ONNX_PREFIX = "onnx:"
"""What comes before the path of a classifier that is an ONNX file."""

_PREFERRED = ("resnet1d", "minirocket")


@dataclass(frozen=True)
class Roster:
    """Classifiers that can be used, and why others cannot.

    Attributes:
        trainers: the trainable ones.
        fixed: finished diagnostic models, by name.
        failures: those that were asked for, or are installed, and do not work.
    """

    trainers: tuple[Trainer, ...] = ()
    fixed: dict[str, FixedClassifier] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()

    def preferred(self, *names: str) -> Trainer | None:
        """The first trainer of these names, else of the reference ones, else any; None where there is none."""
        by_name = {trainer.name: trainer for trainer in self.trainers}
        found = [by_name[name] for name in (*names, *_PREFERRED) if name in by_name]
        return next(iter([*found, *self.trainers]), None)


def call_roster(names: Sequence[str] | None, plugins: Plugins | None = None) -> Roster:
    """The classifiers of these names, or all that are installed; a PluginWarning names each that two plugins claim.

    Raises:
        ConditionError: a name that no plugin has registered.
        PluginError: one of `names` is claimed by two plugins.
    """
    plugins = plugins or installed_plugins()
    registered, clashes = plugins.classifiers_apart()
    claimed_twice = [clashes[name] for name in names or () if name in clashes]
    if claimed_twice:
        raise PluginError(claimed_twice[0])
    check_names(names or (), plugins)
    files = [name for name in names or () if name.startswith(ONNX_PREFIX)]
    wanted = list(registered) if names is None else [name for name in names if name not in files]
    trainers, fixed = [], {}
    failures = _left_out(clashes) if names is None else []
    for name in wanted:
        registration = registered[name]
        try:
            made = plugins.make(registration)
        except EcgsdkError as error:
            failures.append(Failure(f"classifier {name}", str(error)))
            continue
        if hasattr(made, "fit"):
            trainers.append(Trainer(name, registration.version, partial(plugins.make, registration)))
        else:
            fixed[name] = made
    for name in files:
        fixed[name] = _from_file(name)
    return Roster(tuple(trainers), fixed, tuple(failures))


def check_names(names: Sequence[str], plugins: Plugins) -> None:
    """Raises ConditionError for the first name that is neither an ONNX file nor registered by any plugin."""
    registered, clashes = plugins.classifiers_apart()
    check_known("classifier", [name for name in names if not name.startswith(ONNX_PREFIX)], [*registered, *clashes])


def _left_out(clashes: Mapping[str, str]) -> list[Failure]:
    for said in clashes.values():
        warnings.warn(f"{said}; until then it is left out", PluginWarning, stacklevel=3)
    return [Failure(f"classifier {name}", said) for name, said in clashes.items()]


def _from_file(name: str) -> FixedClassifier:
    from ecgsdk.validation.agreement.onnx_classifier import load_onnx_classifier

    return load_onnx_classifier(Path(name[len(ONNX_PREFIX) :]))
