"""`ecgsdk resynthesize`: one synthetic ECG of each real one, into a file of any format."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, replace
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
    from ecgsdk import ECGBatch
    from ecgsdk.readers import ECGSource
    from ecgsdk.synthesiser import Synthesiser

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk resynthesize ptb-xl/ --folds 9 -o synthetic.h5
  ecgsdk resynthesize hospital/ -o synthetic/ --format wfdb --strength 3 --seed 7
"""
_SUMMARY = (
    "{records} ECGs, {sampling_rate:g} Hz, strength {strength:g}, seed {seed}, by {model} on {device} in "
    "{seconds:.1f} s ({records_per_second:.0f}/s): {output}"
)


@dataclass(frozen=True)
class _Options:
    real: str
    output: str
    format_name: str | None
    strength: float
    seed: int | None
    folds: tuple[int, ...] | None
    input_rate: float | None
    input_unit: str | None
    input_leads: tuple[str, ...] | None
    skip_damaged: bool
    keep_rate: bool
    name_sources: bool
    model: str | None
    device: str
    threads: int | None
    batch_size: int
    force: bool
    quiet: bool
    as_json: bool


@click.command("resynthesize", epilog=_EPILOG)
@click.argument("real", metavar="REAL")
@click.option("-o", "--output", required=True, metavar="PATH", help="File to write; a folder for some formats.")
@click.option(
    "--format", "format_name", metavar="NAME", help="As for `ecgsdk generate`; default: by the output's name."
)
@click.option(
    "--strength",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How far from the source: 0 as near as the model can, more is farther.",
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Drawn and printed when not given.")
@click.option("--folds", type=FoldList(), help="Only these folds of PTB-XL.")
@reading_options
@skip_damaged_option
@keep_rate_option
@click.option("--name-sources", is_flag=True, help="Keep the sources' names as identifiers; they may tell who it is.")
@click.option("--model", metavar="NAME|FOLDER", help="A synthesiser of `ecgsdk models`, or its folder; default: ours.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Threads on the CPU; default: one a core.")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Records at a time.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def command(**options: Any) -> None:
    """Make one synthetic ECG of each real ECG, in the same order.

    REAL is a PTB-XL folder, a folder of WFDB records, or anything else that ecgsdk reads; of each record the first ten
    seconds are taken, at 100 Hz. The result stays close to its source, with its statements, age and sex, and so does
    whose ECG it is: `ecgsdk generate` makes ECGs that have no source.
    """
    import ecgsdk
    from ecgsdk.conversion import check_apart

    asked = _Options(**options)
    check_apart(asked.real, asked.output)
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    began = time.perf_counter()
    synthesiser = ecgsdk.load_synthesiser(asked.model, device=asked.device, threads=asked.threads)
    source = _source(asked, synthesiser)
    try:
        rate = _write(synthesiser, source, asked, seed)
    except KeyboardInterrupt as error:
        raise ecgsdk.WriteError(f"interrupted; nothing was written to {asked.output}") from error
    seconds = time.perf_counter() - began
    facts = {
        "records": len(source),
        "output": asked.output,
        "sampling_rate": rate,
        "device": synthesiser.device,
        "seconds": round(seconds, 3),
        "records_per_second": round(len(source) / seconds, 1),
        **synthesiser.provenance(seed=seed, strength=asked.strength).as_dict(),
    }
    if asked.as_json:
        click.echo(json.dumps(facts))
    elif not asked.quiet:
        click.echo(_SUMMARY.format(**facts))


def _source(asked: _Options, synthesiser: Synthesiser) -> ECGSource:
    """The real ECGs; those of PTB-XL as the database has them at the model's rate, others resampled."""
    import ecgsdk

    source = ecgsdk.read_ecgs(
        asked.real,
        sampling_rate=synthesiser.sampling_rates[0],
        seconds=synthesiser.card.seconds,
        folds=asked.folds,
        input_rate=asked.input_rate,
        input_unit=asked.input_unit,
        input_leads=asked.input_leads,
        skip_damaged=asked.skip_damaged,
    )
    return without_damaged(source, quiet=asked.quiet) if asked.skip_damaged else source


def _write(synthesiser: Synthesiser, source: ECGSource, asked: _Options, seed: int) -> float:
    """Writes the ECGs; returns the sampling rate that they have in the output."""
    import ecgsdk
    from ecgsdk.workers import stopped

    batches = synthesiser.resynthesize(source, seed=seed, strength=asked.strength, batch_size=asked.batch_size)
    writer = ecgsdk.open_writer(
        asked.output,
        asked.format_name,
        sampling_rate=synthesiser.sampling_rates[0],
        total=len(source),
        provenance=synthesiser.provenance(seed=seed, strength=asked.strength),
        overwrite=asked.force,
        keep_rate=asked.keep_rate,
        tell=told(quiet=asked.quiet),
    )
    done = 0
    with stopped(batches), writer as sink, progress_bar(len(source), quiet=asked.quiet) as progress:
        for batch in batches:
            sink.write(_named(batch, source, done) if asked.name_sources else batch)
            done += len(batch)
            progress.update(len(batch))
    return writer.header.sampling_rate


def _named(batch: ECGBatch, source: ECGSource, first: int) -> ECGBatch:
    return replace(batch, identifiers=source.identifiers[first : first + len(batch)])
