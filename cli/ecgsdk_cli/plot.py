"""`ecgsdk plot`: ECGs of a file on ECG paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ecgsdk_cli.options import NameList, reading_options, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.paper import Scale

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk plot afib.h5 --record 0 -o afib.svg
  ecgsdk plot afib.h5 --layout 6x2 --rhythm II,V1 --speed 50 --seconds 5 -o afib.pdf
  ecgsdk plot afib.h5 --record 3 --beside ptb-xl/ --beside-record 12 -o pair.pdf
  ecgsdk plot table.csv -o ecg.pdf --input-rate 250 --input-unit uV
  ecgsdk plot dataset.h5 --record 0 --record 1 --record 2 -o sheet.pdf --leads I,V1,V5 --columns 2
"""

_OF_A_PAGE = ("layout", "rhythm", "beside")
_OF_A_SHEET = ("leads", "columns")


@click.command("plot", epilog=_EPILOG)
@click.argument("file", type=click.Path())
@click.option(
    "--record",
    "records",
    type=click.IntRange(min=0),
    multiple=True,
    default=(0,),
    show_default="0",
    help="Position in the file; several make a contact sheet.",
)
@click.option("-o", "--output", required=True, metavar="PATH", help="Picture to write: .svg, .png or .pdf.")
@click.option(
    "--layout",
    type=click.Choice(("3x4", "6x2", "12x1")),
    show_default="3x4",
    help="Rows x columns of a page.",
)
@click.option(
    "--rhythm",
    type=NameList(),
    metavar="NAME,NAME|none",
    show_default="II in 3x4",
    help="Leads that run below a page, all along it.",
)
@click.option("--speed", type=click.Choice(("25", "50")), show_default="25", help="Paper speed in mm/s.")
@click.option("--gain", type=click.Choice(("5", "10", "20")), show_default="10", help="Gain in mm/mV.")
@click.option("--beside", metavar="PATH", help="Second file, whose record is drawn on the page too.")
@click.option("--beside-record", type=click.IntRange(min=0), show_default="0", help="Its position in that file.")
@click.option(
    "--leads",
    type=NameList(),
    show_default="II",
    help="Leads of a sheet. One record whose leads are chosen is drawn as a sheet too.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    show_default="10, or all there are",
    help="Length of page or strip, from the record's beginning.",
)
@click.option("--columns", type=click.IntRange(min=1), show_default="1", help="Records side by side on a sheet.")
@reading_options
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(
    file: str,
    records: tuple[int, ...],
    output: str,
    layout: str | None,
    rhythm: tuple[str, ...] | None,
    speed: str | None,
    gain: str | None,
    beside: str | None,
    beside_record: int | None,
    leads: tuple[str, ...] | None,
    seconds: float | None,
    columns: int | None,
    force: bool,
    quiet: bool,
    **stated: Any,
) -> None:
    """Draw a record as a 12-lead page, two on one page, or several, or some leads, as a sheet.

    The standard page has 3 x 4 leads over a rhythm strip of lead II, at 25 mm/s and 10 mm/mV in true millimetres: print
    it at 100 %. FILE is anything that ecgsdk reads: its own files, WFDB records, a PTB-XL folder. What --input-rate,
    --input-unit and --input-leads say holds for FILE, and for the file of --beside where both names end alike.
    """
    from ecgsdk.plotting import plot_file

    if beside_record is not None and beside is None:
        raise click.UsageError("--beside-record goes with --beside")
    pair = None if beside is None else (beside, beside_record or 0)
    asked = {
        **stated,
        "seconds": seconds,
        "columns": columns,
        "layout": layout,
        "beside": pair,
        "leads": None if leads is None else _standard(leads, "--leads"),
        "rhythm": None if rhythm is None else _strips(rhythm),
    }
    given = {name: value for name, value in asked.items() if value is not None}
    _check_kind(given, sheet=len(records) > 1 or leads is not None)
    if speed or gain:
        given["scale"] = _scale(speed, gain)
    plot_file(file, output, records, overwrite=force, tell=told(quiet=quiet), **given)
    if not quiet:
        named = f"record{'s' if len(records) > 1 else ''} {', '.join(map(str, records))} of {file}"
        other = "" if pair is None else f" beside record {pair[1]} of {pair[0]}"
        click.echo(f"drew {named}{other} to {output}")


def _check_kind(given: dict[str, Any], *, sheet: bool) -> None:
    """A page's options do nothing to a sheet, and the other way round: rather than ignored they are refused."""
    for name in _OF_A_PAGE if sheet else _OF_A_SHEET:
        if name in given and sheet:
            raise click.UsageError(f"--{name} is for a page of one --record; several, or --leads, make a sheet")
        if name in given:
            raise click.UsageError(f"--{name} is for a sheet; give several --record, or --leads")


def _standard(names: Sequence[str], option: str) -> list[str]:
    from ecgsdk.errors import DataError
    from ecgsdk.leads import standard_lead

    try:
        return [standard_lead(name) for name in names]
    except DataError as error:
        raise click.UsageError(f"{option}: {error}") from error


def _strips(rhythm: tuple[str, ...]) -> list[str]:
    return [] if rhythm == ("none",) else _standard(rhythm, "--rhythm")


def _scale(speed: str | None, gain: str | None) -> Scale:
    from ecgsdk.paper import GAIN_MM_PER_MV, SPEED_MM_PER_S, Scale

    return Scale(float(speed or SPEED_MM_PER_S), float(gain or GAIN_MM_PER_MV))
