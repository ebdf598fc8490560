"""Every hook that a plugin may implement, and what each one registers.

A hook is called once, with a function `register`, and calls it for each thing it has to offer: with a name (lower case
letters, digits and - _ .), a factory and a line of description. A factory takes no arguments and is called when the
thing is used, so a plugin imports what is heavy in its factories. docs/plugins.md is the tutorial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pluggy import HookimplMarker, HookspecMarker

from ecgsdk.classifiers import FixedClassifier, TrainableClassifier

if TYPE_CHECKING:
    import click

    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.cohort import Cohort
    from ecgsdk.readers.source import ECGSource
    from ecgsdk.writers.writer import Header, Sink

__all__ = [
    "PROJECT",
    "Classifier",
    "ECGGenerator",
    "Metric",
    "Reader",
    "RegisterClassifier",
    "RegisterCommand",
    "RegisterGenerator",
    "RegisterMetric",
    "RegisterReader",
    "RegisterWriter",
    "SinkClass",
    "hookimpl",
    "hookspec",
    "register_classifiers",
    "register_commands",
    "register_generators",
    "register_metrics",
    "register_readers",
    "register_writers",
]

PROJECT = "ecgsdk"
"""pluggy's name of the project, and the entry-point group in which plugins are found."""

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)
"""The decorator of a plugin's hooks."""

Classifier = TrainableClassifier | FixedClassifier
"""What the factory of a classifier may make."""


@runtime_checkable
class ECGGenerator(Protocol):
    """A model that makes ECGs on demand; `ecgsdk.Generator` is one.

    `device` ("cpu", "cuda") is optional and only shown.
    """

    @property
    def name(self) -> str:
        """The model's name, as in the provenance."""

    @property
    def statements(self) -> tuple[str, ...]:
        """SCP-ECG codes that can be asked for."""

    @property
    def sampling_rates(self) -> tuple[float, ...]:
        """Hz, the default first."""

    def provenance(self, *, seed: int, steps: int | None = None, guidance: float | None = None) -> Provenance:
        """What is written beside the ECGs that `generate` makes with the same arguments."""

    def generate(
        self,
        cohort: Cohort,
        n: int,
        *,
        seed: int = 0,
        start: int = 0,
        sampling_rate: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        batch_size: int = 32,
    ) -> Iterator[ECGBatch]:
        """ECGs of records `start` to `start + n − 1` of a cohort, in order, `batch_size` at a time.

        Record i is the same whatever n, start and batch size are; spans in a condition are drawn from.

        Raises:
            ConditionError: what the model cannot be asked for.
        """


class Metric(Protocol):
    """Compares two sets of ECGs."""

    def __call__(self, real: ECGBatch, synthetic: ECGBatch) -> float | Mapping[str, float]:
        """A figure, or several by name (lower case letters, digits and _), from equal numbers of records.

        The suite calls it with real and synthetic ECGs and, for the floor, with real and other real ECGs, all of them
        ten seconds at 100 Hz.
        """


class Reader(Protocol):
    """Opens the ECGs of one format."""

    def __call__(self, path: Path) -> ECGSource:
        """The ECGs at a path that the reader recognises, at their own rate and length.

        Raises:
            DataError: they cannot be read.
        """


class SinkClass(Protocol):
    """Opens an output of one format: a class with `write`, `close` and `abort` (`ecgsdk.writers.writer.Sink`)."""

    def __call__(self, path: Path, header: Header) -> Sink:
        """An output at `path`, a temporary name beside the final one; the folder of a folder format is to be made."""


class RegisterClassifier(Protocol):
    """What `register_classifiers` gets."""

    def __call__(self, name: str, factory: Callable[[], Classifier], *, description: str = "") -> None:
        """Offers a trainable or a fixed diagnostic classifier to `ecgsdk validate`."""


class RegisterGenerator(Protocol):
    """What `register_generators` gets."""

    def __call__(self, name: str, factory: Callable[[], ECGGenerator], *, description: str = "") -> None:
        """Offers a generator to `load_generator`, `ecgsdk generate --model` and `ecgsdk validate`."""


class RegisterMetric(Protocol):
    """What `register_metrics` gets."""

    def __call__(self, name: str, factory: Callable[[], Metric], *, description: str = "") -> None:
        """Offers a metric to `ecgsdk validate`."""


class RegisterReader(Protocol):
    """What `register_readers` gets."""

    def __call__(
        self,
        name: str,
        factory: Callable[[], Reader],
        *,
        recognises: Callable[[Path], bool],
        description: str = "",
    ) -> None:
        """Offers a format to `read_ecgs`, for paths that are none of ecgsdk's own formats.

        `recognises` is asked about files and folders of all kinds: it looks at the name, at most at the first bytes.
        """


class RegisterWriter(Protocol):
    """What `register_writers` gets."""

    def __call__(
        self,
        name: str,
        factory: Callable[[], SinkClass],
        *,
        suffixes: Iterable[str],
        folder: bool = False,
        description: str = "",
    ) -> None:
        """Offers a format to `open_writer`; `name` is what `ecgsdk generate --format` takes.

        `suffixes`, in lower case with their dot, are the endings of the output's name that stand for the format. A
        `folder` is asked for by `--format` alone: its suffixes are those of the files in it, and only a folder that
        holds no others is overwritten.
        """


class RegisterCommand(Protocol):
    """What `register_commands` gets."""

    def __call__(self, name: str, factory: Callable[[], click.Command], *, description: str = "") -> None:
        """Offers `ecgsdk NAME`; the list of commands shows the description."""


@hookspec
def register_classifiers(register: RegisterClassifier) -> None:
    """Diagnostic classifiers, trainable or fixed (`ecgsdk.classifiers`)."""


@hookspec
def register_generators(register: RegisterGenerator) -> None:
    """Generators of ECGs beside the exported models."""


@hookspec
def register_metrics(register: RegisterMetric) -> None:
    """Figures that compare synthetic with real ECGs."""


@hookspec
def register_readers(register: RegisterReader) -> None:
    """Formats that ECGs are read from."""


@hookspec
def register_writers(register: RegisterWriter) -> None:
    """Formats that ECGs are written in."""


@hookspec
def register_commands(register: RegisterCommand) -> None:
    """Commands of `ecgsdk`."""
