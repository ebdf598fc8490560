"""`train`: the stages in order, from a PTB-XL folder to the checkpoints of a run's folder."""

from __future__ import annotations

import json
import shlex
import sys
import time
from typing import TYPE_CHECKING

import torch

from ecgsdk.errors import TrainingError
from ecgsdk.training.autoencoder import adversarial_stage, autoencoder_stage
from ecgsdk.training.config import CONFIGS, TrainConfig
from ecgsdk.training.data import TrainingData, load_prepared, prepare
from ecgsdk.training.flow import flow_stage
from ecgsdk.training.loop import Stage, pick_device, run_stage
from ecgsdk.training.rhythm import rhythm_stage
from ecgsdk.training.synthesiser import synthesiser_stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["HISTORY", "STAGES", "SYNTHESISER_STAGES", "run_config", "train"]

HISTORY = "history.jsonl"
STAGES = ("prepare", "rhythm", "autoencoder", "adversarial", "flow")
"""Stages of the generator."""

SYNTHESISER_STAGES = ("prepare", "synthesiser")
"""Stages of the synthesiser, which shares nothing with the generator but the prepared data."""


def train(
    folder: Path,
    ptbxl: Path | None = None,
    *,
    stages: Sequence[str] = STAGES,
    config: TrainConfig | None = None,
    device: str = "auto",
    quiet: bool = True,
    max_seconds: float | None = None,
) -> bool:
    """Runs the given stages in order, each from its checkpoint in `folder` if there is one.

    Args:
        folder: the run's folder: config.json, prepared data, checkpoints, metrics.jsonl.
        ptbxl: PTB-XL as PhysioNet publishes it; needed by the prepare stage alone.
        config: settings of a new run; a folder that holds some keeps them, and other ones are an error.
        max_seconds: stop after so long, with a checkpoint; the same call goes on from there.

    Returns:
        Whether all stages are done.

    Raises:
        TrainingError: a stage's input is missing, or the settings differ from the run's.
    """
    known = dict.fromkeys((*STAGES, *SYNTHESISER_STAGES))
    unknown = [name for name in stages if name not in known]
    if unknown:
        raise TrainingError(f"unknown stage {unknown[0]!r}; the stages are {', '.join(known)}")
    began = time.monotonic()
    chosen = pick_device(device)
    config = run_config(folder, config)
    for name in stages:
        if name == "prepare":
            _prepare(folder, ptbxl, config, quiet)
            (folder / "config.json").write_text(json.dumps(config.as_dict(), indent=2) + "\n")
        elif name != "adversarial" or config.adversarial_steps:
            stage = _stage(name, folder, config, chosen)
            _note(folder, name, chosen)
            left = None if max_seconds is None else max_seconds - (time.monotonic() - began)
            if not run_stage(stage, folder, quiet=quiet, max_seconds=left):
                return False
    return True


def run_config(folder: Path, config: TrainConfig | None = None) -> TrainConfig:
    """The settings of the run in `folder`, or for a new one those given."""
    path = folder / "config.json"
    if not path.exists():
        return config or CONFIGS["cpu"]
    stored = _read_config(path)
    if config is not None and config != stored:
        raise TrainingError(f"{path} has other settings; name another folder, or leave the settings out to go on")
    return stored


def _note(folder: Path, stage: str, device: torch.device) -> None:
    """Keeps how a stage was run, for the model card."""
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    entry = {"stage": stage, "command": shlex.join(sys.argv), "device": hardware, "torch": torch.__version__}
    with (folder / HISTORY).open("a") as file:
        file.write(json.dumps(entry) + "\n")


def _read_config(path: Path) -> TrainConfig:
    try:
        return TrainConfig.from_dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{path} holds no settings ({error}); name another folder") from None


def _prepare(folder: Path, ptbxl: Path | None, config: TrainConfig, quiet: bool) -> None:
    if (folder / "train.npz").exists() and (folder / "validation.npz").exists():
        return
    if ptbxl is None:
        raise TrainingError("the prepare stage needs the PTB-XL folder; name it")
    prepare(ptbxl, folder, config, quiet=quiet)


def _stage(name: str, folder: Path, config: TrainConfig, device: torch.device) -> Stage:
    train, validation = (load_prepared(folder / f"{part}.npz", config) for part in ("train", "validation"))
    torch.manual_seed(config.seed)  # for the weights that a stage begins with
    if name == "rhythm":
        return rhythm_stage(config, train, validation)
    data, held_out = (TrainingData(part, config, device) for part in (train, validation))
    if name == "autoencoder":
        return autoencoder_stage(config, data, held_out, device)
    if name == "synthesiser":
        return synthesiser_stage(config, data, held_out, device)
    if name == "adversarial":
        return adversarial_stage(config, folder, data, held_out, device)
    return flow_stage(config, folder, data, held_out, device)
