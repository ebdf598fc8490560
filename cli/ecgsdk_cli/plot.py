"""`ecgsdk plot`: ECGs of a file on ECG paper."""

from __future__ import annotations

from typing import Any

import click

from ecgsdk_cli.options import NameList, reading_options

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk plot afib.h5 --record 0 -o afib.svg
  ecgsdk plot afib.h5 --layout 6x2 --rhythm II,V1 --speed 50 --seconds 5 -o afib.pdf
  ecgsdk plot afib.h5 --record 3 --beside ptb-xl/ --beside-record 12 -o pair.pdf
  ecgsdk plot table.csv -o ecg.pdf --input-rate 250 --input-unit uV
  ecgsdk plot dataset.h5 --record 0 --record 1 --record 2 -o sheet.pdf --leads I,V1,V5 --columns 2
"""


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
    "--rhythm", metavar="NAME,NAME|none", show_default="II in 3x4", help="Leads that run below a page, all along it."
)
@click.option("--speed", type=click.Choice(("25", "50")), show_default="25", help="Paper speed in mm/s.")
@click.option("--gain", type=click.Choice(("5", "10", "20")), show_default="10", help="Gain in mm/mV.")
@click.option("--beside", metavar="PATH", help="Second file, whose record is drawn on the page too.")
@click.option(
    "--beside-record", type=click.IntRange(min=0), default=0, show_default=True, help="Its position in that file."
)
@click.option(
    "--leads",
    type=NameList(),
    default="II",
    show_default=True,
    help="Leads of a sheet; a page shows all.",
)
@click.option(
    "--seconds", type=click.FloatRange(1, 600), default=10, show_default=True, help="Length of page or strip."
)
@click.option("--columns", type=click.IntRange(min=1), default=1, show_default=True, help="Records side by side.")
@reading_options
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(
    file: str,
    records: tuple[int, ...],
    output: str,
    layout: str | None,
    rhythm: str | None,
    speed: str | None,
    gain: str | None,
    beside: str | None,
    beside_record: int,
    leads: tuple[str, ...],
    seconds: float,
    columns: int,
    force: bool,
    quiet: bool,
    **stated: Any,
) -> None:
    """Draw a record as a 12-lead page, two on one page, or several as a sheet.

    The standard page has 3 x 4 leads over a rhythm strip of lead II, at 25 mm/s and 10 mm/mV in true millimetres: print
    it at 100 %. FILE is anything that ecgsdk reads: its own files, WFDB records, a PTB-XL folder. What --input-rate,
    --input-unit and --input-leads say holds for FILE, and for the file of --beside where both names end alike.
    """
    from ecgsdk.leads import standard_lead
    from ecgsdk.plotting import plot_file

    if beside is not None and len(records) > 1:
        raise click.UsageError("--beside goes with one --record, not with several")
    lead_names = [standard_lead(name) for name in leads]
    page = _page_options(layout, rhythm, speed, gain, None if beside is None else (beside, beside_record))
    page |= {name: value for name, value in stated.items() if value is not None}
    plot_file(file, output, records, leads=lead_names, seconds=seconds, columns=columns, overwrite=force, **page)
    if not quiet:
        named = f"record{'s' if len(records) > 1 else ''} {', '.join(map(str, records))} of {file}"
        other = "" if beside is None else f" beside record {beside_record} of {beside}"
        click.echo(f"drew {named}{other} to {output}")


def _page_options(
    layout: str | None, rhythm: str | None, speed: str | None, gain: str | None, beside: tuple[str, int] | None
) -> dict[str, Any]:
    """What was asked for; the library knows the rest."""
    from ecgsdk.leads import standard_lead
    from ecgsdk.paper import GAIN_MM_PER_MV, SPEED_MM_PER_S, Scale

    asked: dict[str, Any] = {"layout": layout, "beside": beside}
    if rhythm is not None:
        names = [name for name in rhythm.split(",") if name.strip()]
        asked["rhythm"] = [] if rhythm == "none" else [standard_lead(name) for name in names]
    if speed or gain:
        asked["scale"] = Scale(float(speed or SPEED_MM_PER_S), float(gain or GAIN_MM_PER_MV))
    return {name: value for name, value in asked.items() if value is not None}
