"""`ecgsdk export`: a model folder from the checkpoints of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ecgsdk_cli.options import import_training

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk export run/ -o my-model/ --model-version 1
  ecgsdk export run/ -o my-model/ --kind upsampler       # adds 500 and 250 Hz to that model
  ecgsdk export exported_models/ptbxl-flow -o my-model/ --kind upsampler   # adds that model's
  ecgsdk export run/ -o my-synthesiser/ --kind synthesiser --noise-level 0.1
"""


@click.command("export", epilog=_EPILOG)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Model folder to write.")
@click.option(
    "--kind",
    type=click.Choice(["generator", "synthesiser", "upsampler"]),
    default="generator",
    show_default=True,
    help="Of model; an upsampler becomes part of a generator's model folder.",
)
@click.option("--model-version", default="1", show_default=True, help="The model's version, for its card.")
@click.option("--description", default="", help="One line for the card.")
@click.option("--trained-with", default="", help="The training command, for the card; default: the run's history.")
@click.option("--trained-on", default="", help="The device trained on, for the card; default likewise.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    help="Flow evaluations by default; with a distilled flow, where that will not do.",
)
@click.option(
    "--noise-level", type=click.FloatRange(0, 1, min_open=True), help="Latent noise of a synthesiser at strength 1."
)
@click.option("--force", is_flag=True, help="Overwrite the model folder.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(
    folder: Path, output: Path, kind: str, steps: int, noise_level: float | None, quiet: bool, **facts: Any
) -> None:
    """Write the ONNX graphs and the card of a trained run.

    Each graph is compared with PyTorch at several batch sizes and refused when they differ.
    """
    card_facts = {
        "version": facts["model_version"],
        "description": facts["description"],
        "command": facts["trained_with"],
        "device": facts["trained_on"],
        "overwrite": facts["force"],
    }
    if kind == "generator":
        card = import_training("export").export(folder, output, steps=steps, **card_facts)
    elif kind == "upsampler":
        del card_facts["version"], card_facts["description"]
        card = import_training("upsampler_export").add_upsampler(folder, output, **card_facts)
    elif noise_level is None:
        raise click.UsageError("a synthesiser needs --noise-level")
    else:
        export = import_training("synthesiser_export").export_synthesiser
        card = export(folder, output, noise_level=noise_level, **card_facts)
    if not quiet:
        click.echo(f"wrote {card.name} {card.version} to {output}: try `ecgsdk models show {output}`")
