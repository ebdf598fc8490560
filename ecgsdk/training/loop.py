"""The training loop that all stages share: schedule, progress, metrics, checkpoints, resuming."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ecgsdk.errors import TrainingError
from ecgsdk.training.config import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = [
    "Ema",
    "Stage",
    "descend",
    "load_average",
    "load_stage",
    "load_weights",
    "mixed_precision",
    "pick_device",
    "run_stage",
    "save_average",
]

_LOG_EVERY = 50


def pick_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device; raises TrainingError when CUDA is asked for and not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: PyTorch finds no CUDA device; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Half precision for matrix products where the device is faster in it: GPUs, and CPUs with AVX-512 BF16."""
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)  # since PyTorch 2.8
    faster = device.type == "cuda" or bool(capabilities().get("avx512_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=faster)


def descend(optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], loss: torch.Tensor) -> None:
    """One step down a loss, with the parameters' gradient cut to a norm of 1."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()


class Ema(nn.Module):
    """Exponential moving average of a network's parameters, ramped up so that the start is forgotten."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.average = copy.deepcopy(network).requires_grad_(False)

    def update(self, network: nn.Module, step: int) -> None:
        """One step; `step` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            averages: list[torch.Tensor] = list(self.average.parameters())
            values: list[torch.Tensor] = list(network.parameters())
            torch._foreach_lerp_(averages, values, 1 - decay)


@dataclass
class Stage:
    """One stage of training: what is saved, and what a step does.

    Attributes:
        name: of the checkpoint file and in the metrics.
        networks: all that a checkpoint must hold.
        optimizers: with the learning rate at its peak.
        steps: in all.
        step: (step) → figures to log; does forward, backward and optimizer step.
        evaluate: figures on held-out data, or None.
    """

    name: str
    config: TrainConfig
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    steps: int
    step: Callable[[int], dict[str, torch.Tensor]]
    evaluate: Callable[[], dict[str, float]] | None = None
    evaluate_every: int = 2000
    peaks: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.peaks = {name: o.param_groups[0]["lr"] for name, o in self.optimizers.items()}

    def set_rate(self, step: int) -> None:
        """Linear warm-up over 2 % of the steps, then half a cosine to 1 % of the peak."""
        done = step / self.steps
        scale = min(1.0, (step + 1) / max(1, 0.02 * self.steps)) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.peaks[name] * scale


def run_stage(stage: Stage, folder: Path, *, quiet: bool = True, max_seconds: float | None = None) -> bool:
    """Runs a stage from its checkpoint in `folder`, if there is one, to its end.

    Randomness is seeded anew from (seed, step), so a resumed run draws what an unbroken one would have drawn.

    Returns:
        Whether the stage is done; False when `max_seconds` came first (the checkpoint is written either way).
    """
    from tqdm import tqdm

    folder.mkdir(parents=True, exist_ok=True)
    start = _resume(stage, folder)
    began = saved = time.monotonic()
    bar = tqdm(
        range(start, stage.steps), initial=start, total=stage.steps, desc=stage.name, disable=quiet, smoothing=0.02
    )
    step = start
    for step in bar:
        torch.manual_seed((stage.config.seed << 24) + step)
        stage.set_rate(step)
        figures = stage.step(step)
        last = step + 1 == stage.steps
        if (step + 1) % _LOG_EVERY == 0 or last:
            logged = _finite(figures, stage, step)
            if stage.evaluate and ((step + 1) % stage.evaluate_every == 0 or last):
                logged |= stage.evaluate()
            bar.set_postfix(logged)
            rate = (step + 1 - start) / (time.monotonic() - began)
            _log(folder, {"stage": stage.name, "step": step + 1, "steps_per_second": round(rate, 2), **logged})
        now = time.monotonic()
        out_of_time = max_seconds is not None and now - began > max_seconds
        if now - saved > stage.config.checkpoint_seconds or last or out_of_time:
            _finite(figures, stage, step)
            _save(stage, folder, step + 1)
            saved = now
        if out_of_time and not last:
            return False
    return True


def _finite(figures: dict[str, torch.Tensor], stage: Stage, step: int) -> dict[str, float]:
    """The figures to log; raises TrainingError when one is not finite, before a checkpoint keeps it."""
    logged = {key: round(float(value), 5) for key, value in figures.items()}
    if not math.isfinite(sum(logged.values())):
        raise TrainingError(
            f"{stage.name}: the loss is not finite at step {step + 1}; begin a new run with a lower learning rate"
        )
    return logged


def load_stage(folder: Path, name: str) -> dict[str, Any]:
    """A stage's checkpoint on the CPU; raises TrainingError when it is missing or damaged."""
    path = folder / f"{name}.pt"
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path} is missing; run the {name} stage first") from None
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        raise TrainingError(f"{path} is damaged ({type(error).__name__}); delete it and run the stage again") from None


def load_weights(network: nn.Module, weights: dict[str, torch.Tensor], stage: str) -> None:
    """Gives a network a checkpoint's weights; raises TrainingError when they are another network's."""
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise TrainingError(
            f"the {stage} checkpoint does not fit these settings or this version; delete {stage}.pt and run it again"
        ) from None


def load_average(network: nn.Module, stored: dict[str, Any], stage: str) -> None:
    """Gives a network the averaged weights of a stage's checkpoint."""
    prefix = "average."
    average = stored["networks"]["average"]
    weights = {k.removeprefix(prefix): v for k, v in average.items() if k.startswith(prefix)}
    load_weights(network, weights, stage)


def save_average(network: nn.Module, folder: Path, stage: str, config: TrainConfig, step: int) -> None:
    """Writes a checkpoint that holds a network as a stage's average and as the stage's own, for `load_average`."""
    average = {f"average.{name}": value for name, value in network.state_dict().items()}
    networks = {"average": average, stage: network.state_dict()}
    _write({"config": config.as_dict(), "step": step, "networks": networks, "optimizers": {}}, folder, stage)


def fingerprint(network: nn.Module) -> torch.Tensor:
    """The SHA-256 of all weights, as 32 bytes."""
    digest = hashlib.sha256()
    for name, weights in sorted(network.state_dict().items()):
        digest.update(name.encode() + weights.cpu().numpy().tobytes())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def _resume(stage: Stage, folder: Path) -> int:
    if not (folder / f"{stage.name}.pt").exists():
        return 0
    stored = load_stage(folder, stage.name)
    for name, network in stage.networks.items():
        load_weights(network, stored["networks"].get(name, {}), stage.name)
    step = int(stored["step"])
    if step < stage.steps:  # a stage that came with a model is done and has no optimizers
        for name, optimizer in stage.optimizers.items():
            optimizer.load_state_dict(stored["optimizers"][name])
    return step


def _save(stage: Stage, folder: Path, step: int) -> None:
    values = {
        "config": stage.config.as_dict(),
        "step": step,
        "networks": {name: network.state_dict() for name, network in stage.networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in stage.optimizers.items()},
    }
    _write(values, folder, stage.name)


def _write(values: dict[str, Any], folder: Path, stage: str) -> None:
    part = folder / f"{stage}.pt.part"
    torch.save(values, part)
    part.replace(folder / f"{stage}.pt")


def _log(folder: Path, figures: dict[str, object]) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(figures) + "\n")
