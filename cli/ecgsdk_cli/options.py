"""Option types, imports and the progress bar that several commands share."""

from __future__ import annotations

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ecgsdk.conditions import format_span, parse_span
from ecgsdk.errors import ConditionError, RuntimeSetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from tqdm import tqdm

    from ecgsdk.conditions import Span
    from ecgsdk.readers import ECGSource

__all__ = [
    "FoldList",
    "NameList",
    "SpanType",
    "Threshold",
    "check_quality",
    "import_training",
    "keep_rate_option",
    "left_out_line",
    "progress_bar",
    "quality_option",
    "reading_options",
    "skip_damaged_option",
    "told",
    "without_damaged",
]

_NAMED = 3
"""Records left out that a line names."""


class SpanType(click.ParamType):
    """A number, or a span from which each record draws one."""

    name = "NUMBER|LOW:HIGH"

    def convert(
        self, value: str | float | Span, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Span:
        text = value if isinstance(value, str) else format_span(value)
        try:
            return parse_span(text)
        except ConditionError as error:
            self.fail(str(error), param, ctx)


class NameList(click.ParamType):
    """Names joined by commas."""

    name = "NAME,NAME"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        if not names:
            self.fail("at least one name is needed", param, ctx)
        return names


_FOLDS = re.compile(r"\s*([0-9]{1,3})(?:-([0-9]{1,3}))?\s*")


class FoldList(click.ParamType):
    """Cross-validation folds: numbers and spans of them, joined by commas."""

    name = "1-8,10"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        folds: list[int] = []
        for part in value.split(","):
            match = _FOLDS.fullmatch(part)
            if match is None or int(match[1]) > int(match[2] or match[1]):
                self.fail(f"{part!r} is neither a fold nor a span of folds such as 1-8", param, ctx)
            folds += range(int(match[1]), int(match[2] or match[1]) + 1)
        return tuple(dict.fromkeys(folds))


class Threshold(click.ParamType):
    """A figure of the report and its bound."""

    name = "FIGURE=VALUE"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        figure, _, bound = value.partition("=")
        try:
            return figure.strip(), float(bound)
        except ValueError:
            self.fail(f"{value!r} is not a figure and its bound, such as tstr=0.85", param, ctx)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for what files of ECGs do not say themselves, as keyword arguments of `ecgsdk.read_ecgs`."""
    for option in (
        click.option(
            "--input-leads", type=NameList(), help="Columns of a CSV file, or signals of an EDF file, in order."
        ),
        click.option(
            "--input-unit", metavar="UNIT", help="Of files that do not say it: mV, uV, V, or a step: '4.88 uV'."
        ),
        click.option("--input-rate", type=click.FloatRange(1, 1e6), metavar="HZ", help="Of files that do not say it."),
    ):
        command = option(command)
    return command


def skip_damaged_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option to leave out what cannot be read, as the argument `skip_damaged`."""
    return click.option(
        "--skip-damaged", is_flag=True, help="Leave out records that cannot be read, and name them; default: stop."
    )(command)


def keep_rate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option to write slow ECGs as they are, as the argument `keep_rate`."""
    return click.option(
        "--keep-rate", is_flag=True, help="Into DICOM: ECGs under 200 Hz as Ambulatory ECGs, not at 500 Hz."
    )(command)


def quality_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """How much work goes into an ECG, as the argument `quality`."""
    return click.option(
        "--quality",
        type=click.Choice(["standard", "high"]),
        help="standard, the default: one ECG is made for each record; high: several, of which one is chosen (in models "
        "that cannot choose: the flow in many evaluations).",
    )(command)


def check_quality(quality: str | None, steps: int | None) -> None:
    """A usage error where both are given."""
    if quality is not None and steps is not None:
        raise click.UsageError("--quality and --steps cannot both be asked for; give one of them")


def without_damaged(source: ECGSource, *, quiet: bool) -> ECGSource:
    """The records whose signals can be read, all of which are read for that; a line on stderr names the others."""
    from ecgsdk.readers import without_damaged

    with progress_bar(len(source), quiet=quiet) as progress:
        source = without_damaged(source, progress.update)
    if source.left_out:
        click.echo(left_out_line(source.left_out), err=True)
    return source


def left_out_line(reasons: Sequence[str]) -> str:
    """How many records were left out, and what is wrong with the first ones."""
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    count = f"{len(reasons)} record{'s' * (len(reasons) > 1)}"
    return f"left out {count} that cannot be read: {'; '.join(reasons[:_NAMED])}{more}"


def told(*, quiet: bool) -> Callable[[str], None]:
    """What a writer tells its lines to: stderr, or nothing."""
    return lambda line: None if quiet else click.echo(line, err=True)


def import_training(module: str) -> ModuleType:
    """A module of ecgsdk.training; a missing PyTorch, onnx or scipy ends in one line that says what to install."""
    try:
        return importlib.import_module(f"ecgsdk.training.{module}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("torch", "onnx", "onnxscript", "scipy"):
            raise
        raise RuntimeSetupError(f'{missing} is not installed; run `pip install "ecgsdk[train]"`') from error


class _NoBar:
    """Stands in for a bar that nobody sees: tqdm takes longer to import than a first record to make."""

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        """Does nothing."""

    def update(self, n: int) -> None:
        """Does nothing."""


def progress_bar(total: int, *, quiet: bool) -> tqdm[NoReturn] | _NoBar:
    """A bar over ECGs on stderr; none where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        return _NoBar()
    from tqdm import tqdm

    return tqdm(total=total, unit=" ECGs", leave=False)
