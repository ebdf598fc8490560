"""`ecgsdk train`: from a PTB-XL folder to the checkpoints of a run, all stages or some."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgsdk_cli.options import NameList, import_training

if TYPE_CHECKING:
    from ecgsdk.training.config import TrainConfig

__all__ = ["command"]

_EPILOG = """\b
Examples:
  ecgsdk train ptb-xl/ --run run/                        # everything, sized for two cores
  ecgsdk train ptb-xl/ --run run/ --config gpu           # larger, for a GPU
  ecgsdk train --run run/ --stages flow                  # one stage, from its last checkpoint
  ecgsdk train ptb-xl/ --run run/ --stages prepare,synthesiser
  ecgsdk train ptb-xl/ --run run/ --stages upsampler,upsampler_tuned   # from PTB-XL's records at 500 Hz
  ecgsdk train ptb-xl/ --run try/ --set flow_steps=200 --set autoencoder_steps=100
  ecgsdk train ptb-xl/ --run further/ --begin-with ptbxl-flow   # goes on from that model
"""


@click.command("train", epilog=_EPILOG)
@click.argument("ptbxl", type=click.Path(path_type=Path), required=False)
@click.option("--run", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--stages", type=NameList(), help="Default: all that make a generator, from prepare to refined.")
@click.option("--config", "config_name", metavar="NAME", help="cpu or gpu; default: the run's own, cpu for a new one.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One setting of a new run.")
@click.option(
    "--begin-with", "begin", metavar="MODEL", help="Model, by name or folder, whose networks a new run takes."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of a new run.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--max-minutes", type=click.FloatRange(min=0), help="Stop after so long; the same command goes on.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(**options: Any) -> None:
    """Train a generator, its upsampler, or the synthesiser, on PTB-XL: folds 1 to 8, with fold 9 held out to measure.

    PTBXL is the folder that PhysioNet publishes. A run that was stopped goes on from its last checkpoint. Only the
    gpu config has the adversarial stage, which gives the decoder the grain of real recordings.
    """
    training = import_training("train")
    begin, minutes = options["begin"], options["max_minutes"]
    config = _config(options["folder"], options["config_name"], options["settings"], options["seed"], begin)
    done = training.train(
        options["folder"],
        options["ptbxl"],
        stages=options["stages"] or (training.BEGUN_STAGES if begin else training.STAGES),
        config=config,
        begin=begin,
        device=options["device"],
        quiet=options["quiet"] or not sys.stderr.isatty(),
        max_seconds=None if minutes is None else 60 * minutes,
    )
    if not options["quiet"]:
        state = "done" if done else "stopped in time; the same command goes on"
        click.echo(f"{options['folder']}: {state}")


def _config(
    folder: Path, name: str | None, settings: tuple[str, ...], seed: int | None, begin: str | None
) -> TrainConfig | None:
    """The settings asked for, or None for the run's own."""
    from ecgsdk.training.config import CONFIGS, TrainConfig

    if begin is not None and name is not None:
        raise click.UsageError("--config and --begin-with exclude each other: a model has settings of its own")
    if begin is None and name is None and not settings and seed is None:
        return None
    if name is not None and name not in CONFIGS:
        raise click.UsageError(f"unknown --config {name}; the configs are {', '.join(CONFIGS)}")
    known = CONFIGS[name or "cpu"].as_dict()
    stated: dict[str, object] = {}
    for setting in settings:
        key, found, text = setting.partition("=")
        if not found:
            raise click.UsageError(f"--set {setting}: write NAME=VALUE")
        stated[key] = _value(key, text, known)
    if seed is not None:
        stated["seed"] = seed
    if begin is None:
        return TrainConfig.from_dict(known | stated)
    if (folder / "config.json").exists() and not stated:
        return None
    return import_training("begun").begun_config(begin, stated)


def _value(key: str, text: str, values: dict[str, object]) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        raise click.UsageError(f"--set {key}={text}: the value must be a number or a list of numbers") from None
    known = values.get(key)
    if known is not None and isinstance(known, tuple) != isinstance(value, list):
        raise click.UsageError(f"--set {key}={text}: the default is {json.dumps(known)}")
    return value
