"""`ecgsdk convert`: ECGs from any format that is read into any that is written."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from ecgsdk_cli.options import FoldList, progress_bar, reading_options

if TYPE_CHECKING:
    from ecgsdk.readers import ECGSource

__all__ = ["command"]

_EPILOG = """\b
What a file does not say, its rate, its unit or the names of its leads, is asked for: --input-rate, --input-unit,
--input-leads. Records of different rates or lengths are brought to one by --sampling-rate and --seconds.

\b
Examples:
  ecgsdk convert hospital-xml/ -o hospital.h5 --sampling-rate 500 --seconds 10
  ecgsdk convert afib.h5 -o afib-dicom/ --format dicom
  ecgsdk convert ptb-xl/ --folds 9 -o fold9.parquet
  ecgsdk convert table.csv -o ecg.edf --input-rate 250 --input-unit uV
"""

_SUMMARY = "wrote {records} {kind} ECGs of {seconds_each:g} s at {sampling_rate:g} Hz to {output} in {seconds:.1f} s"


@click.command("convert", epilog=_EPILOG)
@click.argument("source")
@click.option("-o", "--output", required=True, metavar="PATH", help="File to write; a folder for some formats.")
@click.option(
    "--format", "format_name", metavar="NAME", help="As for `ecgsdk generate`; default: told by the output's name."
)
@click.option("--sampling-rate", type=click.FloatRange(1, 1e6), metavar="HZ", help="Resample to it; default: as it is.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Of each record's beginning; default: all.")
@click.option("--folds", type=FoldList(), help="Only these folds of PTB-XL.")
@reading_options
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def command(
    source: str, output: str, format_name: str | None, force: bool, quiet: bool, as_json: bool, **asked: Any
) -> None:
    """Convert ECGs between formats, with their identifiers, conditions and origin.

    SOURCE is a PTB-XL folder; a folder, or one file, of WFDB, DICOM, EDF, CSV, GE MUSE XML, Philips Sierra XML, HL7
    aECG or SCP-ECG records; or an HDF5, NPZ or Parquet file. Real ECGs stay real and synthetic ones synthetic. The
    output appears when it is complete; a conversion that was interrupted begins again.
    """
    import ecgsdk

    started = time.perf_counter()
    ecgs = ecgsdk.read_ecgs(source, **asked)
    try:
        _convert(ecgs, output, format_name, force=force, quiet=quiet)
    except KeyboardInterrupt as error:
        raise ecgsdk.WriteError(f"interrupted; nothing was written to {output}") from error
    facts = {
        "records": len(ecgs),
        "source": source,
        "output": output,
        "sampling_rate": ecgs.sampling_rate,
        "samples": ecgs.samples,
        "synthetic": ecgs.synthetic,
        "seconds": round(time.perf_counter() - started, 3),
        **(ecgs.provenance.as_dict() if ecgs.provenance else {}),
    }
    if as_json:
        click.echo(json.dumps(facts))
    elif not quiet:
        kind = "synthetic" if ecgs.synthetic else "real"
        click.echo(_SUMMARY.format(kind=kind, seconds_each=ecgs.samples / ecgs.sampling_rate, **facts))


def _convert(ecgs: ECGSource, output: str, format_name: str | None, *, force: bool, quiet: bool) -> None:
    from ecgsdk.conversion import convert, interrupted_conversions

    for part in () if quiet else interrupted_conversions(output):
        left = f"{part} is left from a conversion that did not end"
        click.echo(f"warning: {left}; this one begins again, and it can be deleted unless it still runs", err=True)
    with progress_bar(len(ecgs), quiet=quiet) as progress:
        convert(ecgs, output, format_name, overwrite=force, advance=progress.update)
