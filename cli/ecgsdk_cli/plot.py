"""`ecgsdk plot`: ECGs of a file on ECG paper."""

from __future__ import annotations

import click

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk plot afib.h5 --record 0 -o afib.svg
  ecgsdk plot dataset.h5 --record 0 --record 1 --record 2 -o sheet.pdf
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
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(file: str, records: tuple[int, ...], output: str, force: bool, quiet: bool) -> None:
    """Draw a record as the standard 12-lead page.

    The page has 3 x 4 leads over a rhythm strip of lead II, at 25 mm/s and 10 mm/mV in true millimetres: print it
    at 100 %. FILE is anything that ecgsdk reads: its own files, WFDB records, a PTB-XL folder.
    """
    from ecgsdk.plotting import plot_file

    plot_file(file, output, records, overwrite=force)
    if not quiet:
        named = f"record{'s' if len(records) > 1 else ''} {', '.join(map(str, records))}"
        click.echo(f"drew {named} of {file} to {output}")
