"""`ecgsdk dataset`: a data set to publish in one command, and whether a copy of it is whole."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from ecgsdk_cli.options import NameList

if TYPE_CHECKING:
    from ecgsdk.dataset import Dataset

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk dataset build -o ptbxl-flow-6000/
  ecgsdk dataset verify ptbxl-flow-6000/
"""
_BUILD_EPILOG = """\b
Examples:
  ecgsdk dataset build -o ptbxl-flow-6000/
  ecgsdk dataset build -o small/ --per-group 10 --formats hdf5 --seed 7
  ecgsdk dataset build -o fine/ --sampling-rate 500
  ecgsdk dataset build -o yoo2023-6000/ --model yoo2023 --real ptb-xl/ --strength 1
"""
_SUMMARY = (
    "{records:,} ECGs ({train:,} train, {test:,} test) by {model} in {seconds:.0f} s: {output}\n{sums} SHA256SUMS"
)


@click.group("dataset", epilog=_EPILOG)
def command() -> None:
    """Build a data set of synthetic ECGs to publish, or check a copy of one."""


@command.command("build", epilog=_BUILD_EPILOG)
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Is made, and appears when it is complete.")
@click.option("--model", metavar="NAME|FOLDER", help="A generator or a synthesiser of `ecgsdk models`; default: ours.")
@click.option(
    "--per-group", type=click.IntRange(1, 10**8), default=1000, show_default=True, help="Records of each of six groups."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=2023, show_default=True, help="Of all that is drawn."
)
@click.option(
    "--alone",
    is_flag=True,
    help="Ask a generator for each group's statement alone, without those that occur with it in patients.",
)
@click.option("--real", metavar="FOLDER", help="PTB-XL, for a model that starts from real ECGs.")
@click.option(
    "--strength", type=click.FloatRange(min=0), help="How far from the real ECG; for a model that starts from one."
)
@click.option("--sampling-rate", type=float, metavar="HZ", help="One of a generator's rates; default: 100.")
@click.option("--formats", type=NameList(), default="hdf5,wfdb", show_default=True, help="One or both of them.")
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    help="Of each group, into the test set.",
)
@click.option("--url", metavar="URL", help="Where it will be published, for citation and croissant.json.")
@click.option("--published", metavar="DATE", help="Date of publication, YYYY-MM-DD, likewise.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Threads on the CPU; default: one a core.")
@click.option("--force", is_flag=True, help="Replace an earlier data set.")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def build(output: str, device: str, threads: int | None, force: bool, quiet: bool, as_json: bool, **asked: Any) -> None:
    """Build a data set: ECGs in six groups, table, fixed split, datasheet, checksums, Croissant description, gallery.

    The same options give the same bytes on the same machine. Record i belongs to group i modulo 6.
    """
    from ecgsdk.dataset import Plan, build_dataset
    from ecgsdk.errors import WriteError
    from ecgsdk.validation.progress import no_progress, terminal_progress

    started = time.perf_counter()
    progress = no_progress if quiet else terminal_progress
    try:
        dataset, sums = build_dataset(
            output, Plan(**asked), device=device, threads=threads, overwrite=force, progress=progress
        )
    except KeyboardInterrupt as error:
        raise WriteError(f"interrupted; nothing was written to {output}") from error
    facts = _facts(dataset, output, sums, time.perf_counter() - started)
    if as_json:
        click.echo(json.dumps(facts))
    elif not quiet:
        click.echo(_SUMMARY.format(**facts))


@command.command("verify", epilog="Example: ecgsdk dataset verify ptbxl-flow-6000/")
@click.argument("folder", metavar="FOLDER")
@click.option("--quiet", is_flag=True, help="Neither progress nor summary; what is wrong is still printed.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_context
def verify(ctx: click.Context, folder: str, quiet: bool, as_json: bool) -> None:
    """Compare a folder with its SHA256SUMS; exit code 1 where a file is wrong, missing or extra."""
    from ecgsdk.dataset import verify_dataset
    from ecgsdk.validation.progress import no_progress, terminal_progress

    listed, faults = verify_dataset(folder, progress=no_progress if quiet else terminal_progress)
    if as_json:
        found = [{"kind": fault.kind, "path": fault.path} for fault in faults]
        click.echo(json.dumps({"folder": folder, "files": listed, "faults": found}))
    else:
        for fault in faults:
            click.echo(f"{fault.kind}: {fault.path}")
        if not faults and not quiet:
            click.echo(f"{folder}: all {listed:,} files are as SHA256SUMS says")
    if faults:
        ctx.exit(1)


def _facts(dataset: Dataset, output: str, sums: str, seconds: float) -> dict[str, object]:
    from ecgsdk.dataset.split import TEST

    test = sum(row.split == TEST for row in dataset.rows)
    return {
        "name": dataset.name,
        "output": output,
        "records": len(dataset.rows),
        "train": len(dataset.rows) - test,
        "test": test,
        "device": dataset.device,
        "seconds": round(seconds, 3),
        "sums": sums,
        **dataset.provenance.as_dict(),
    }
