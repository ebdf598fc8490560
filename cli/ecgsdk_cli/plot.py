"""`ecgsdk plot`: ECGs of a file on ECG paper."""

from __future__ import annotations

import click

from ecgsdk_cli.options import NameList

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk plot afib.h5 --record 0 -o afib.svg
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
    "--leads",
    type=NameList(),
    default="II",
    show_default=True,
    help="Leads of a sheet; a single record shows all.",
)
@click.option("--seconds", type=click.FloatRange(1, 600), default=10, show_default=True, help="Length of its strips.")
@click.option("--columns", type=click.IntRange(min=1), default=1, show_default=True, help="Records side by side on it.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(
    file: str,
    records: tuple[int, ...],
    output: str,
    leads: tuple[str, ...],
    seconds: float,
    columns: int,
    force: bool,
    quiet: bool,
) -> None:
    """Draw a record as the standard 12-lead page.

    The page has 3 x 4 leads over a rhythm strip of lead II, at 25 mm/s and 10 mm/mV in true millimetres: print it
    at 100 %. FILE is anything that ecgsdk reads: its own files, WFDB records, a PTB-XL folder.
    """
    from ecgsdk.leads import standard_lead
    from ecgsdk.plotting import plot_file

    lead_names = [standard_lead(name) for name in leads]
    plot_file(file, output, records, leads=lead_names, seconds=seconds, columns=columns, overwrite=force)
    if not quiet:
        named = f"record{'s' if len(records) > 1 else ''} {', '.join(map(str, records))}"
        click.echo(f"drew {named} of {file} to {output}")
