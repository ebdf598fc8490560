"""Option types and imports that several commands share."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

from ecgsdk.conditions import format_span, parse_span
from ecgsdk.errors import ConditionError, RuntimeSetupError

if TYPE_CHECKING:
    from types import ModuleType

    from ecgsdk.conditions import Span

__all__ = ["NameList", "SpanType", "import_training"]


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


def import_training(module: str) -> ModuleType:
    """A module of ecgsdk.training; a missing PyTorch or onnx ends in one line that says what to install."""
    try:
        return importlib.import_module(f"ecgsdk.training.{module}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx", "onnxscript"):
            raise
        raise RuntimeSetupError(f'{error.name} is not installed; run `pip install "ecgsdk[train]"`') from error
