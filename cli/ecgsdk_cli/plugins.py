"""`ecgsdk plugins`: which plugins are installed, what each offers, and which ones are left out and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgsdk.plugins import Plugin, Plugins, Registration

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk plugins
  ecgsdk plugins --json
"""


@click.command("plugins", epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(as_json: bool) -> None:
    """List the installed plugins, what each offers, and what failed.

    The exit code is 0 even if a plugin failed: ecgsdk works without it.
    """
    from ecgsdk.plugins import Plugins, installed_entry_points
    from ecgsdk_cli.main import COMMANDS

    plugins = Plugins(installed_entry_points())
    clashes = plugins.clashes(COMMANDS)
    if as_json:
        click.echo(json.dumps(_facts(plugins, clashes), indent=2))
        return
    for plugin in plugins.plugins:
        click.echo("\n".join(_lines(plugin)))
    for clash in clashes:
        click.echo(f"clash: {clash}")
    if not plugins.plugins:
        click.echo("no plugins installed", err=True)


def _lines(plugin: Plugin) -> Iterator[str]:
    package = f"  {plugin.distribution} {plugin.version}" if plugin.distribution else ""
    yield f"{plugin.name}{package}"
    width = max((len(offer.name) for offer in plugin.registrations), default=0)
    for offer in plugin.registrations:
        yield f"  {offer.kind:<10}  {offer.name:<{width}}  {offer.description}".rstrip()
    if plugin.failure is not None:
        yield f"  failed      {plugin.failure}"
    elif not plugin.registrations:
        yield "  registers nothing"


def _facts(plugins: Plugins, clashes: tuple[str, ...]) -> dict[str, object]:
    return {
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "failure": plugin.failure,
                "registers": [_offer(offer) for offer in plugin.registrations],
            }
            for plugin in plugins.plugins
        ],
        "clashes": clashes,
    }


def _offer(offer: Registration) -> dict[str, object]:
    facts: dict[str, object] = {"kind": offer.kind, "name": offer.name, "description": offer.description}
    return facts | ({"suffixes": offer.suffixes, "folder": offer.folder} if offer.kind == "writer" else {})
