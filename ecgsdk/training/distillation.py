"""Distillation: a smaller flow that makes in one evaluation what the flow makes in many."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.encoding import BEAT_CHANNELS, condition_width
from ecgsdk.training.autoencoder import jittered, load_encoder
from ecgsdk.training.flow import build_flow
from ecgsdk.training.loop import Ema, Stage, descend, load_average, load_stage, mixed_precision
from ecgsdk.training.losses import adversarial_losses, discriminator_loss
from ecgsdk.training.networks import Flow
from ecgsdk.training.pairs import load_pairs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData
    from ecgsdk.training.pairs import Pairs

__all__ = ["build_distilled", "distillation_stage", "one_step", "pair_errors", "power_loss"]

_EVALUATED = 512


class Critic(nn.Module):
    """Told to tell distilled from real latents, given condition and beats; one verdict for every eighth of a second.

    The condition enters by projection (Miyato and Koyama 2018, arXiv 1802.05637).
    """

    def __init__(self, latent_channels: int, condition: int) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.convolutions = nn.ModuleList(
            [
                norm(nn.Conv1d(latent_channels + BEAT_CHANNELS, 96, 5, padding=2)),
                norm(nn.Conv1d(96, 128, 5, stride=2, padding=2)),
                norm(nn.Conv1d(128, 192, 5, stride=2, padding=2)),
                norm(nn.Conv1d(192, 192, 3, padding=1)),
            ]
        )
        self.verdict = norm(nn.Conv1d(192, 1, 3, padding=1))
        self.condition = nn.Linear(condition, 192)

    def forward(self, latents: Tensor, condition: Tensor, beats: Tensor) -> list[list[Tensor]]:
        """Features layer by layer, the last of them the verdicts; a list of one network, as losses take them."""
        x, features = torch.cat([latents, beats], dim=1), []
        for layer in self.convolutions:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        projected = (x * self.condition(condition)[:, :, None]).mean(dim=1, keepdim=True)
        return [[*features, self.verdict(x) + projected]]


def build_distilled(config: TrainConfig) -> Flow:
    """An untrained distilled flow: as wide as the flow, with fewer blocks at each scale."""
    width = condition_width(config.statements)
    return Flow(config.flow_widths, config.latent_channels, width, BEAT_CHANNELS, 0.0, depth=config.distil_depth)


def distillation_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """One evaluation at time 0 must give what the pairs hold and, after `distil_alone` of the steps, pass as real.

    Regression to noise–data pairs as in rectified flow (Liu et al. 2022, arXiv 2209.03003) leaves out what the network
    cannot foresee; features and verdicts of a critic (after Sauer et al. 2023, arXiv 2311.17042) bring it back.
    """
    pairs = load_pairs(folder, config, device)
    network = build_distilled(config)
    _begin_as(network, folder, config)
    network.to(device)
    ema = Ema(network, config.distil_ema).to(device)
    critic = Critic(config.latent_channels, condition_width(config.statements)).to(device)
    encoder = load_encoder(folder, config, device)
    optimizers = {
        "main": torch.optim.AdamW(network.parameters(), lr=config.distil_rate, betas=(0.9, 0.99), weight_decay=1e-2),
        "critic": torch.optim.AdamW(critic.parameters(), lr=config.distil_rate / 2, betas=(0.5, 0.9)),
    }

    def step(number: int) -> dict[str, Tensor]:
        start, end, condition, beats = pairs.take(torch.randint(pairs.learned, (config.distil_batch,), device=device))
        with mixed_precision(device):
            made = one_step(network, start, condition, beats)
            loss = (made - end).square().mean()
            figures = {"error": loss.detach()}
            if number >= config.distil_alone * config.distil_steps:
                fresh = train.draw(config.distil_batch // 2)
                with torch.no_grad():
                    real = encoder(jittered(train.millivolts(fresh), config)).float()
                given = train.conditions[fresh], train.beats[fresh]
                fake = one_step(network, torch.randn_like(real), *given)
                critic_loss = discriminator_loss(critic(real, *given), critic(fake.detach(), *given))
                descend(optimizers["critic"], critic.parameters(), critic_loss)
                verdicts = -critic(fake, *given)[0][-1].mean()
                with torch.no_grad():
                    wanted = critic(end, condition, beats)
                features = adversarial_losses(wanted, critic(made, condition, beats))[1]
                power = power_loss(made, end)
                loss = loss + config.distil_features * features + config.distil_adversarial * verdicts
                loss = loss + config.distil_power * power
                figures |= {"critic": critic_loss.detach(), "features": features.detach(), "power": power.detach()}
        descend(optimizers["main"], network.parameters(), loss)
        ema.update(network, number)
        return figures

    networks = {"distilled": network, "average": ema, "critic": critic}
    evaluate = pair_errors(cast("Flow", ema.average), pairs)
    return Stage("distilled", config, networks, optimizers, config.distil_steps, step, evaluate, evaluate_every=500)


def one_step(network: nn.Module, start: Tensor, condition: Tensor, beats: Tensor) -> Tensor:
    """Latents of one Euler step from noise, float32."""
    return start + network(start, torch.zeros(len(start), device=start.device), condition, beats).float()


def power_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Difference of the logarithms of two batches' mean power spectra, each octave weighing the same.

    Regression leaves too little power where it cannot foresee the sign of what is there: in baseline wander above all.
    """
    logs = [torch.fft.rfft(x.float(), dim=-1).abs().square().mean(dim=0).clamp_min(1e-6).log() for x in (made, wanted)]
    weights = 1 / torch.arange(1, logs[0].shape[-1] + 1, device=made.device)
    return ((logs[0] - logs[1]).abs() * weights).sum(dim=-1).mean() / weights.sum()


def _begin_as(network: Flow, folder: Path, config: TrainConfig) -> None:
    """Takes over the flow's weights where the two have the same layer."""
    flow = build_flow(config)
    load_average(flow, load_stage(folder, "flow"), "flow")
    weights = flow.state_dict()
    last = len(flow.middle) - 1, len(network.middle) - 1
    for name in [name for name in weights if name.startswith(f"middle.{last[0]}.")]:
        weights[name.replace(f".{last[0]}.", f".{last[1]}.", 1)] = weights[name]
    mine = network.state_dict()
    network.load_state_dict({name: weights[name] for name in mine})


def pair_errors(network: Flow, pairs: Pairs) -> Callable[[], dict[str, float]]:
    """Mean squared error over the latents' variance, on pairs that were learned from and on those kept apart."""

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        network.eval()
        figures = {}
        for name, first, last in (("train_error", 0, pairs.learned), ("val_error", pairs.learned, len(pairs.start))):
            rows = torch.arange(first, min(first + _EVALUATED, last), device=pairs.start.device)
            start, end, condition, beats = pairs.take(rows)
            made = one_step(network, start, condition, beats)
            figures[name] = round(float((made - end).square().mean() / end.var()), 5)
        return figures

    return evaluate
