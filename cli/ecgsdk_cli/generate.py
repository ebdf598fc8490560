"""`ecgsdk generate`: synthetic ECGs of the conditions asked for, into one file or folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from ecgsdk_cli.options import (
    NameList,
    SpanType,
    check_quality,
    keep_rate_option,
    progress_bar,
    quality_option,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecgsdk.batch import Provenance
    from ecgsdk.cohort import Cohort
    from ecgsdk.conditions import Sex, Span
    from ecgsdk.hookspecs import ECGGenerator

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk generate --group afib -n 1000 --seed 7 -o afib.h5
  ecgsdk generate --groups all -n 6000 -o dataset.h5
  ecgsdk generate --statements CLBBB,MI --heart-rate 50:70 --age 60:85 --sex F -n 20 -o lbbb/ --format wfdb
  ecgsdk generate --conditions cohort.csv --sampling-rate 100 --seed 11 -o cohort.npz
  ecgsdk generate --accompanied -n 1000 -o mixed.h5
"""

_SUMMARY = (
    "wrote {records} ECGs to {output} in {seconds:.1f} s ({records_per_second:g} records/s) "
    "with {model}{where}, seed {seed}"
)


@dataclass(frozen=True)
class _Options:
    """The command line, typed."""

    group: str | None
    groups: tuple[str, ...] | None
    statements: tuple[str, ...] | None
    conditions: str | None
    heart_rate: float | Span | None
    age: float | Span | None
    sex: Sex | None
    accompanied: bool
    n: int | None
    seed: int | None
    start: int
    sampling_rate: float | None
    format_name: str | None
    keep_rate: bool
    output: str
    model: str | None
    device: str
    threads: int | None
    quality: str | None
    steps: int | None
    guidance: float | None
    batch_size: int | None
    force: bool
    quiet: bool
    as_json: bool

    @property
    def only_where_known(self) -> dict[str, Any]:
        """Arguments that plugins' generators need not know, where they are asked for."""
        return {"accompanied": True} if self.accompanied else {}


@click.command("generate", epilog=_EPILOG)
@click.option("--group", metavar="NAME", help="A standard group: norm, afib, 1avb, lbbb, rbbb or lvh.")
@click.option("--groups", type=NameList(), help='Several groups that take turns, or "all".')
@click.option("--statements", type=NameList(), help="SCP-ECG statements that each record shows together.")
@click.option("--conditions", metavar="CSV", help="One record a row: statements (joined by +), heart_rate, age, sex.")
@click.option("--heart-rate", type=SpanType(), help="Mean ventricular rate in bpm; drawn when not given.")
@click.option("--age", type=SpanType(), help="Years; drawn when not given.")
@click.option("--sex", type=click.Choice(["M", "F"], case_sensitive=False), help="Drawn when not given.")
@click.option(
    "--accompanied",
    is_flag=True,
    help="Each record also carries further statements, as often as they occur with those asked for in the training "
    "data; with none asked for, statements are drawn in the mix of the training data.",
)
@click.option(
    "-n", "n", type=click.IntRange(1, 10**9), help="Number of records; default: one a group, or each row of the CSV."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="Same seed, same records; drawn and printed when not given."
)
@click.option(
    "--start", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Index of the first record."
)
@click.option("--sampling-rate", type=float, metavar="HZ", help="One of the model's rates; default: its first.")
@click.option(
    "--format",
    "format_name",
    metavar="NAME",
    help="hdf5, wfdb, npz, dicom, edf, csv, parquet or a plugin's; default: told by the output's name.",
)
@keep_rate_option
@click.option(
    "-o", "--output", required=True, metavar="PATH", help="File to write; a folder for formats of a file a record."
)
@click.option(
    "--model",
    metavar="NAME|FOLDER",
    help="A model of `ecgsdk models`, a model folder or a plugin's generator; default: ours.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Default: one a core.")
@quality_option
@click.option("--steps", type=click.IntRange(1, 10_000), help="Flow evaluations, in place of a quality.")
@click.option("--guidance", type=click.FloatRange(0, 100), help="Guidance weight, 1 is none; default: the model's.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Records at a time: a matter of memory and speed, the records are the same; default: the generator's.",
)
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def command(**options: Any) -> None:
    """Make synthetic 12-lead ECGs of the conditions asked for.

    Ask by exactly one of --group, --groups, --statements and --conditions, or by --accompanied alone. Record i of a
    seed is the same record whatever the number, the batch size or the --start.
    """
    import ecgsdk
    from ecgsdk.quality import quality_options

    asked = _Options(**options)
    check_quality(asked.quality, asked.steps)
    cohort = _cohort(asked)
    total = cohort.count(asked.start, asked.n)
    seed = _fresh_seed() if asked.seed is None else asked.seed
    started = time.perf_counter()
    generator = ecgsdk.load_generator(asked.model, device=asked.device, threads=asked.threads)
    work = {**quality_options(generator, asked.quality, asked.steps), **asked.only_where_known}
    if asked.accompanied and not getattr(generator, "accompanies", False):
        raise ecgsdk.ModelError(
            f"{generator.name} does not know which statements occur together; leave --accompanied out, or export the "
            "model again"
        )
    provenance = generator.provenance(seed=seed, guidance=asked.guidance, **work)
    rate = generator.sampling_rates[0] if asked.sampling_rate is None else asked.sampling_rate
    try:
        rate = _write(generator, cohort, asked, work, total, rate, provenance)
    except KeyboardInterrupt as error:
        raise ecgsdk.WriteError(f"interrupted; nothing was written to {asked.output}") from error
    seconds = time.perf_counter() - started
    facts = {
        "records": total,
        "start": asked.start,
        "output": asked.output,
        "sampling_rate": rate,
        "device": getattr(generator, "device", None),
        "seconds": round(seconds, 3),
        "records_per_second": round(total / seconds, 1),
        **provenance.as_dict(),
    }
    if asked.as_json:
        click.echo(json.dumps(facts))
    elif not asked.quiet:
        where = f" on {facts['device']}" if facts["device"] else ""
        click.echo(_SUMMARY.format(where=where, **facts))


def _fresh_seed() -> int:
    import secrets  # brings the whole of cryptographic hashing with it

    return secrets.randbelow(2**31)


def _cohort(asked: _Options) -> Cohort:
    from ecgsdk.cohort import Cohort
    from ecgsdk.conditions import GROUPS, Condition

    ways = {
        "--group": asked.group,
        "--groups": asked.groups,
        "--statements": asked.statements,
        "--conditions": asked.conditions,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1 and (given or not asked.accompanied):
        said = f"not {' and '.join(given)}" if given else "none was given, nor --accompanied"
        raise click.UsageError(f"say what to make by one of {', '.join(ways)}; {said}")
    template = Condition(heart_rate=asked.heart_rate, age=asked.age, sex=asked.sex)
    if asked.conditions is not None:
        if template != Condition():
            raise click.UsageError("--heart-rate, --age and --sex belong into the --conditions file, as columns")
        return Cohort.from_csv(asked.conditions)
    if asked.statements is not None:
        return Cohort.of(replace(template, statements=asked.statements))
    if not given:
        return Cohort.of(template)
    names = (asked.group,) if asked.group is not None else asked.groups or ()
    return Cohort.from_groups(GROUPS if names == ("all",) and asked.groups else names, template)


def _write(
    generator: ECGGenerator,
    cohort: Cohort,
    asked: _Options,
    work: Mapping[str, Any],
    total: int,
    rate: float,
    provenance: Provenance,
) -> float:
    """Writes the ECGs, made with as much work as asked for; returns the sampling rate that they have in the output."""
    import ecgsdk
    from ecgsdk.workers import stopped

    batches = generator.generate(
        cohort,
        total,
        seed=provenance.seed,
        start=asked.start,
        sampling_rate=rate,
        guidance=asked.guidance,
        **({} if asked.batch_size is None else {"batch_size": asked.batch_size}),
        **work,
    )
    writer = ecgsdk.open_writer(
        asked.output,
        asked.format_name,
        sampling_rate=rate,
        total=total,
        provenance=provenance,
        overwrite=asked.force,
        keep_rate=asked.keep_rate,
        tell=told(quiet=asked.quiet),
    )
    with stopped(batches), writer as sink, progress_bar(total, quiet=asked.quiet) as progress:
        for batch in batches:
            sink.write(batch)
            progress.update(len(batch))
    return writer.header.sampling_rate
