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
from ecgsdk.training.averages import prepare_averages
from ecgsdk.training.beat_flow import beat_flow_stage
from ecgsdk.training.begun import begin_with
from ecgsdk.training.config import CONFIGS, TrainConfig
from ecgsdk.training.data import TrainingData, load_prepared, prepare
from ecgsdk.training.distillation import distillation_stage
from ecgsdk.training.ectopic import ectopic_stage
from ecgsdk.training.flow import flow_stage
from ecgsdk.training.judge import judge_stage
from ecgsdk.training.loop import Stage, pick_device, run_stage
from ecgsdk.training.noise_floor import noise_floor_stage
from ecgsdk.training.pairs import make_pairs
from ecgsdk.training.reader import reader_stage
from ecgsdk.training.refiner import refiner_stage
from ecgsdk.training.rhythm import rhythm_stage
from ecgsdk.training.synthesiser import synthesiser_stage
from ecgsdk.training.tuning import tuning_stage
from ecgsdk.training.upsampler import upsampler_stage
from ecgsdk.training.upsampler_data import RatePairs, beats_file, prepare_upsampler, signals_file
from ecgsdk.training.upsampler_tuning import upsampler_tuning_stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["BEGUN_STAGES", "HISTORY", "STAGES", "SYNTHESISER_STAGES", "UPSAMPLER_STAGES", "run_config", "train"]

HISTORY = "history.jsonl"
STAGES = (
    "prepare",
    "rhythm",
    "autoencoder",
    "adversarial",
    "flow",
    "pairs",
    "distilled",
    "tuned",
    "ectopic",
    "noise_floor",
    "beat_flow",
    "refined",
    "reader",
    "judged",
)
"""Stages of the generator."""

BEGUN_STAGES = ("prepare", "rhythm", "ectopic", "noise_floor", "beat_flow", "refined", "reader", "judged")
"""Stages that a run which begins with a model can do without an encoder."""

SYNTHESISER_STAGES = ("prepare", "synthesiser")
"""Stages of the synthesiser, which shares nothing with the generator but the prepared data."""

UPSAMPLER_STAGES = ("upsampler", "upsampler_tuned")
"""Stages of the upsampler, which prepares data of its own: records at 500 Hz."""


def train(
    folder: Path,
    ptbxl: Path | None = None,
    *,
    stages: Sequence[str] = STAGES,
    config: TrainConfig | None = None,
    begin: str | None = None,
    device: str = "auto",
    quiet: bool = True,
    max_seconds: float | None = None,
) -> bool:
    """Runs the given stages in order, each from its checkpoint in `folder` if there is one.

    Args:
        folder: the run's folder: config.json, prepared data, checkpoints, metrics.jsonl.
        ptbxl: PTB-XL as PhysioNet publishes it; needed by the prepare stage, and by the upsampler stage at first.
        config: settings of a new run; a folder that holds some keeps them, and other ones are an error.
        begin: a model, by name or folder, whose networks a new run begins with; `config` must fit it
            (`begun.begun_config`).
        max_seconds: stop after so long, with a checkpoint; the same call goes on from there.

    Returns:
        Whether all stages are done.

    Raises:
        ModelError: there is no such model to begin with.
        TrainingError: a stage's input is missing, or the settings differ from the run's.
    """
    known = dict.fromkeys((*STAGES, *SYNTHESISER_STAGES, *UPSAMPLER_STAGES))
    unknown = [name for name in stages if name not in known]
    if unknown:
        raise TrainingError(f"unknown stage {unknown[0]!r}; the stages are {', '.join(known)}")
    began = time.monotonic()
    chosen = pick_device(device)
    config = run_config(folder, config)
    if begin is not None:
        begin_with(begin, folder, config)
        _keep(config, folder)
    for name in stages:
        if name == "prepare":
            _prepare(folder, ptbxl, config, quiet)
            _keep(config, folder)
        elif name == "pairs":
            if config.distil_steps and not _pairs(folder, config, chosen, quiet, _left(max_seconds, began)):
                return False
        elif _wanted(name, config):
            if name in UPSAMPLER_STAGES:
                _prepare_upsampler(folder, ptbxl, config, quiet)
            if name in ("beat_flow", "refined"):
                prepared = load_prepared(folder / "train.npz", config)
                prepare_averages(config, folder, TrainingData(prepared, config, chosen), chosen, quiet=quiet)
            stage = _stage(name, folder, config, chosen)
            _note(folder, name, chosen)
            if not run_stage(stage, folder, quiet=quiet, max_seconds=_left(max_seconds, began)):
                return False
    return True


def _left(max_seconds: float | None, began: float) -> float | None:
    return None if max_seconds is None else max_seconds - (time.monotonic() - began)


def _wanted(name: str, config: TrainConfig) -> bool:
    """Whether a stage has any steps to do; nine of them may be left out."""
    tuned = min(config.distil_steps, config.adversarial_steps, config.tuning_steps)
    refined = min(tuned, config.noise_floor_steps, config.beat_flow_steps, config.refiner_steps)
    steps = {
        "adversarial": config.adversarial_steps,
        "distilled": config.distil_steps,
        "tuned": tuned,
        "ectopic": min(tuned, config.ectopic_steps),
        "noise_floor": min(tuned, config.noise_floor_steps),
        "beat_flow": refined,
        "refined": refined,
        "reader": min(refined, config.judge_steps),
        "judged": min(refined, config.judge_steps),
    }
    return steps.get(name, 1) > 0


def _pairs(folder: Path, config: TrainConfig, device: torch.device, quiet: bool, max_seconds: float | None) -> bool:
    train = load_prepared(folder / "train.npz", config)
    return make_pairs(folder, config, train, device, quiet=quiet, max_seconds=max_seconds)


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


def _prepare_upsampler(folder: Path, ptbxl: Path | None, config: TrainConfig, quiet: bool) -> None:
    if all(file(folder, part).exists() for part in ("train", "validation") for file in (signals_file, beats_file)):
        return
    if ptbxl is None:
        raise TrainingError("the upsampler stage needs the PTB-XL folder, for its records at 500 Hz; name it")
    folder.mkdir(parents=True, exist_ok=True)
    prepare_upsampler(ptbxl, folder, quiet=quiet)
    _keep(config, folder)


def _keep(config: TrainConfig, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(config.as_dict(), indent=2) + "\n")


def _stage(name: str, folder: Path, config: TrainConfig, device: torch.device) -> Stage:
    if name in UPSAMPLER_STAGES:
        pairs, others = (RatePairs(folder, part, device) for part in ("train", "validation"))
        torch.manual_seed(config.seed)  # for the weights that a stage begins with
        if name == "upsampler":
            return upsampler_stage(config, pairs, others, device)
        return upsampler_tuning_stage(config, folder, pairs, others, device)
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
    if name == "distilled":
        return distillation_stage(config, folder, data, device)
    if name == "tuned":
        return tuning_stage(config, folder, data, device)
    if name == "ectopic":
        return ectopic_stage(config, folder, data, device)
    if name == "noise_floor":
        return noise_floor_stage(config, folder, data, device)
    if name == "beat_flow":
        return beat_flow_stage(config, folder, data, device)
    if name == "refined":
        return refiner_stage(config, folder, data, device)
    if name == "reader":
        return reader_stage(config, data, held_out, device)
    if name == "judged":
        return judge_stage(config, folder, train, data, device)
    return flow_stage(config, folder, data, held_out, device)
