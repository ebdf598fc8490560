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
    from collections.abc import Callable
    from types import ModuleType

    from tqdm import tqdm

    from ecgsdk.conditions import Span

__all__ = ["FoldList", "NameList", "SpanType", "Threshold", "import_training", "progress_bar", "reading_options"]


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


def import_training(module: str) -> ModuleType:
    """A module of ecgsdk.training; a missing PyTorch or onnx ends in one line that says what to install."""
    try:
        return importlib.import_module(f"ecgsdk.training.{module}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx", "onnxscript"):
            raise
        raise RuntimeSetupError(f'{error.name} is not installed; run `pip install "ecgsdk[train]"`') from error


def progress_bar(total: int, *, quiet: bool) -> tqdm[NoReturn]:
    """A bar over ECGs on stderr; none where that is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, unit=" ECGs", leave=False, disable=quiet or not sys.stderr.isatty())
