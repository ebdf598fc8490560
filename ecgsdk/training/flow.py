"""Flow stage: the class-conditional rectified flow in the latent space, given the beat times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgsdk.encoding import BEAT_CHANNELS, condition_width
from ecgsdk.training.autoencoder import jittered, load_encoder
from ecgsdk.training.loop import Ema, Stage, descend
from ecgsdk.training.networks import Flow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["build_flow", "drop_conditions", "flow_stage"]


def build_flow(config: TrainConfig) -> Flow:
    """An untrained flow."""
    width = condition_width(config.statements)
    return Flow(config.flow_widths, config.latent_channels, width, BEAT_CHANNELS, config.flow_dropout)


def flow_stage(
    config: TrainConfig, folder: Path, train: TrainingData, validation: TrainingData, device: torch.device
) -> Stage:
    """Rectified flow (Liu et al. 2022, arXiv 2209.03003), times logit-normal (Esser et al. 2024, arXiv 2403.03206)."""
    encoder = load_encoder(folder, config, device)
    flow = build_flow(config).to(device)
    ema = Ema(flow, config.flow_ema).to(device)
    optimizer = torch.optim.AdamW(flow.parameters(), lr=config.flow_rate, betas=(0.9, 0.99), weight_decay=1e-2)
    velocity = torch.compile(flow) if device.type == "cuda" else flow

    def step(number: int) -> dict[str, Tensor]:
        indices = train.draw(config.flow_batch)
        condition, beats = drop_conditions(train.conditions[indices], train.beats[indices], config)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            latents = encoder(jittered(train.millivolts(indices), config)).float()
            time = torch.sigmoid(torch.randn(len(latents), device=device))
            loss = flow_loss(velocity, latents, time, condition, beats)
        descend(optimizer, flow.parameters(), loss)
        ema.update(flow, number)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        return {
            f"{name}_loss": _fixed_loss(ema.average, encoder, data)
            for name, data in (("train", train), ("val", validation))
        }

    return Stage("flow", config, {"flow": flow, "average": ema}, {"main": optimizer}, config.flow_steps, step, evaluate)


def flow_loss(
    velocity: Callable[..., Tensor], latents: Tensor, time: Tensor, condition: Tensor, beats: Tensor
) -> Tensor:
    """Squared error of the velocity on the straight line from noise (time 0) to the latents (time 1)."""
    noise = torch.randn_like(latents)
    mixed = noise + time[:, None, None] * (latents - noise)
    return (velocity(mixed, time, condition, beats).float() - (latents - noise)).square().mean()


def drop_conditions(condition: Tensor, beats: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Conditions with parts set to unknown: statements, heart rate, age, sex and beats each on its own, or all.

    The heart rate, which the beats tell too, is dropped three times as often.
    """
    n, statements = len(condition), len(config.statements)
    widths = torch.tensor([1 + statements, 2, 2, condition.shape[1] - statements - 5], device=condition.device)
    dropped = torch.rand(n, 5, device=condition.device) < config.drop_each * torch.tensor(
        [1.0, 3.0, 1.0, 1.0, 0.5], device=condition.device
    )
    dropped |= torch.rand(n, 1, device=condition.device) < config.drop_all
    keep = (~dropped).float()
    return condition * keep[:, :4].repeat_interleave(widths, dim=1), beats * keep[:, 4:, None]


def _fixed_loss(flow: nn.Module, encoder: nn.Module, data: TrainingData) -> float:
    """Loss on the first 2,048 records with the same noise and times at every call."""
    training, total, count = flow.training, 0.0, min(len(data), 2048)
    flow.eval()
    devices = [data.signals.device] if data.signals.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        for start in range(0, count, 256):
            indices = torch.arange(start, min(start + 256, count), device=data.signals.device)
            latents = encoder(data.millivolts(indices))
            time = torch.rand(len(latents), device=latents.device)
            loss = flow_loss(flow, latents, time, data.conditions[indices], data.beats[indices])
            total += float(loss) * len(indices)
    flow.train(training)
    return round(total / count, 5)
