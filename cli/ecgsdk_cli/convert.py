"""`ecgsdk convert`: ECGs from any format that is read into any that is written."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from ecgsdk_cli.options import (
    FoldList,
    keep_rate_option,
    progress_bar,
    reading_options,
    skip_damaged_option,
    told,
    without_damaged,
)

if TYPE_CHECKING:
    from ecgsdk.readers import ECGSource
    from ecgsdk.writers.writer import Header

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
@skip_damaged_option
@keep_rate_option
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def command(
    source: str,
    output: str,
    format_name: str | None,
    keep_rate: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Convert ECGs between formats, with their identifiers, conditions and origin.

    SOURCE is a PTB-XL folder; a folder, or one file, of WFDB, DICOM, EDF, CSV, HL7 aECG or SCP-ECG records, or XML of
    GE MUSE, GE CardioSoft or Philips Sierra; or an HDF5, NPZ or Parquet file. Real ECGs stay real and synthetic ones
    synthetic. The output appears when it is complete. Run again, a conversion that was interrupted, or had no more
    room on the disk, goes on where it was. For that, an HDF5, NPZ or Parquet file takes twice its room until it is
    complete.
    """
    import ecgsdk

    started = time.perf_counter()
    ecgs = ecgsdk.read_ecgs(source, tell=told(quiet=quiet), **asked)
    if asked["skip_damaged"]:
        ecgs = without_damaged(ecgs, quiet=quiet)
    try:
        header = _convert(ecgs, output, format_name, force=force, keep_rate=keep_rate, quiet=quiet)
    except KeyboardInterrupt as error:
        raise ecgsdk.WriteError(f"interrupted; nothing was written to {output}{_kept(output)}") from error
    except ecgsdk.WriteError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise ecgsdk.WriteError(f"{error}{_kept(output)}") from error
    facts = {
        "records": len(ecgs),
        "source": source,
        "output": output,
        "sampling_rate": header.sampling_rate,
        "samples": header.samples,
        "synthetic": ecgs.synthetic,
        "left_out": len(ecgs.left_out),
        "seconds": round(time.perf_counter() - started, 3),
        **(ecgs.provenance.as_dict() if ecgs.provenance else {}),
    }
    if as_json:
        click.echo(json.dumps(facts))
    elif not quiet:
        kind = "synthetic" if ecgs.synthetic else "real"
        click.echo(_SUMMARY.format(kind=kind, seconds_each=header.samples / header.sampling_rate, **facts))


def _convert(
    ecgs: ECGSource, output: str, format_name: str | None, *, force: bool, keep_rate: bool, quiet: bool
) -> Header:
    from ecgsdk.conversion import convert

    tell = told(quiet=quiet)
    with progress_bar(len(ecgs), quiet=quiet) as progress:
        return convert(
            ecgs, output, format_name, overwrite=force, keep_rate=keep_rate, advance=progress.update, tell=tell
        )


def _kept(output: str) -> str:
    """What an interruption, or a full disk, leaves."""
    from ecgsdk.conversion import resumable

    return "; the same command goes on where it was" if resumable(output) else ""
