"""`ecgsdk models`: which models there are, and what their cards say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

_LONGEST_LIST = 40


@click.group("models", invoke_without_command=True, epilog="Example: ecgsdk models")
@click.option("--json", "as_json", is_flag=True, help="The whole cards as JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the installed models, or show one."""
    if ctx.invoked_subcommand is not None:
        return
    import ecgsdk

    cards = ecgsdk.list_models()
    if as_json:
        click.echo(json.dumps([card.as_dict() for card in cards], indent=2))
        return
    width = max((len(card.name) for card in cards), default=0)
    for card in cards:
        click.echo(f"{card.name:<{width}}  {card.version}  {card.description}")
    if not cards:
        click.echo("no models installed; give a model folder to --model", err=True)


@command.command("show", epilog="Example: ecgsdk models show NAME")
@click.argument("name", metavar="NAME|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="The whole card as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show what a model can be asked for, what it was trained on, and how it did."""
    import ecgsdk

    card = ecgsdk.find_model(name, kind=None).card.as_dict()
    if as_json:
        click.echo(json.dumps(card, indent=2))
        return
    for name in ("histograms", "accompanying"):  # of use to programs alone
        card.pop(name, None)
    click.echo("\n".join(_lines(card)))


def _lines(facts: dict[str, object], indent: str = "") -> Iterator[str]:
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        label = f"{indent}{name.replace('_', ' '):<{width}}"
        if isinstance(value, dict) and value:
            yield label.rstrip()
            yield from _lines(value, indent + "  ")
        else:
            yield f"{label}  {_text(value)}"


def _text(value: object) -> str:
    if not isinstance(value, (list, tuple)):
        return "-" if value in (None, {}, "") else str(value)
    if len(value) > _LONGEST_LIST or any(isinstance(item, (list, tuple, dict)) for item in value):
        return f"({len(value)} values, see --json)"
    return ", ".join(str(item) for item in value) or "-"
