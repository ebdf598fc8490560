"""`ecgsdk gallery`: samples of ECGs by group on one web page."""

from __future__ import annotations

import json
from typing import Any

import click

from ecgsdk_cli.options import FoldList, reading_options

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk gallery dataset.h5 -o gallery.html
  ecgsdk gallery ptb-xl/ --folds 9 --per-group 4 --seed 3 -o real.html
"""


@click.command("gallery", epilog=_EPILOG)
@click.argument("source", type=click.Path())
@click.option("-o", "--output", required=True, metavar="PATH", help="Page to write: .html.")
@click.option("--per-group", type=click.IntRange(min=1), default=6, show_default=True, help="ECGs of each group.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the ECGs.")
@click.option("--title", metavar="TEXT", help="Heading of the page.")
@click.option("--folds", type=FoldList(), help="Only these folds of PTB-XL.")
@reading_options
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--json", "as_json", is_flag=True, help="Print what the page shows as JSON.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(
    source: str,
    output: str,
    per_group: int,
    seed: int,
    title: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Show samples of ECGs by group on one web page.

    The page needs no network and opens from disk: cards of the six standard groups and of all else, and a viewer with
    zoom and leads to choose, for keyboard and mouse. SOURCE is anything that ecgsdk reads: its own files, WFDB
    records, a PTB-XL folder.
    """
    from ecgsdk.gallery import write_gallery
    from ecgsdk.readers import read_ecgs

    ecgs = read_ecgs(source, **asked)
    shown = write_gallery(output, ecgs, per_group=per_group, seed=seed, title=title, overwrite=force)
    if as_json:
        click.echo(json.dumps({"output": output, "seed": seed, "shown": shown}))
    elif not quiet:
        click.echo(f"drew {sum(shown.values())} ECGs of {len(shown)} groups of {source} to {output}")
