"""`ecgsdk export`: a model folder from the checkpoints of a training run."""

from __future__ import annotations

from pathlib import Path

import click

from ecgsdk_cli.options import import_training

__all__ = ["command"]

_EPILOG = "Example: ecgsdk export run/ -o my-model/ --model-version 1"


@click.command("export", epilog=_EPILOG)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Model folder to write.")
@click.option("--model-version", default="1", show_default=True, help="The model's version, for its card.")
@click.option("--description", default="", help="One line for the card.")
@click.option("--trained-with", default="", help="The training command, for the card; default: the run's history.")
@click.option("--trained-on", default="", help="The device trained on, for the card; default likewise.")
@click.option("--steps", type=click.IntRange(min=1), default=6, show_default=True, help="Default flow evaluations.")
@click.option("--force", is_flag=True, help="Overwrite the model folder.")
@click.option("--quiet", is_flag=True, help="Say nothing.")
def command(
    folder: Path,
    output: Path,
    model_version: str,
    description: str,
    trained_with: str,
    trained_on: str,
    steps: int,
    force: bool,
    quiet: bool,
) -> None:
    """Write the ONNX graphs and the card of a trained run.

    Each graph is compared with PyTorch at three batch sizes and refused when they differ.
    """
    card = import_training("export").export(
        folder,
        output,
        version=model_version,
        description=description,
        command=trained_with,
        device=trained_on,
        steps=steps,
        overwrite=force,
    )
    if not quiet:
        click.echo(f"wrote {card.name} {card.version} to {output}: try `ecgsdk models show {output}`")
