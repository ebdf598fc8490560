"""Tuning the upsampler: what it draws, asked for ECGs whose figures pass as those of recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ecgsdk.training.loop import Ema, Stage, descend, load_average, load_stage
from ecgsdk.training.losses import discriminator_loss, unevenness
from ecgsdk.training.upsampler import CUT, held_out_figures_of, near_error, waveform_loss
from ecgsdk.training.upsampler_critics import PIECE, LevelCritics, phase_powers, piece_figures
from ecgsdk.training.upsampler_network import Upsampler, build_upsampler, noise_shape
from ecgsdk.training.upsampler_rates import STEP_MV, decimated, splined, stepped
from ecgsdk.training.upsampler_statistics import fit_statistics

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.upsampler_data import RatePairs

__all__ = ["Price", "upsampler_tuning_stage"]

_MARGIN = 24
_BLUR = 0.1
_JITTER = 0.1
_PENALTY = 0.02
_PASSING, _MOMENTS, _ANCHOR, _COPIED, _FOLDED = 0.2, 1.0, 10.0, 20.0, 300.0
_LEARNED_FROM = 16


class Price(nn.Module):
    """What errors near R peaks cost: more and more while they are above a bound, less and less below it.

    Args:
        bound: of the mean squared error, relative to that of band-limited interpolation.
    """

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.register_buffer("price", torch.tensor(0.1))
        self.register_buffer("seen", torch.tensor(bound))

    @torch.no_grad()
    def observe(self, ratio: Tensor) -> None:
        """Takes the ratio of one batch into account."""
        cast("Tensor", self.seen).lerp_(ratio.clamp(max=3), 0.002)
        excess = ((cast("Tensor", self.seen) - self.bound) / 0.1).clamp(-1, 1)
        cast("Tensor", self.price).mul_(torch.exp(0.004 * excess)).clamp_(0.01, 10)


def upsampler_tuning_stage(
    config: TrainConfig, folder: Path, train: RatePairs, validation: RatePairs, device: torch.device
) -> Stage:
    """The upsampler against critics of band powers, with its expected ECG held in place.

    Critics see figures of 2 s at 500 Hz, under as much noise as one of the recorder's steps makes. The ECG to be
    expected must stay so, what is made must give the same 100 Hz, and its errors near R peaks have a price. In the
    mean over records no sample of a frame may be rougher than another.
    """
    network = _begin(config, folder, train).to(device)
    ema = Ema(network, config.upsampler_tuning_ema).to(device)
    critics, price = LevelCritics(_figures(train)).to(device), Price(config.upsampler_error).to(device)
    rate = config.upsampler_tuning_rate
    optimizers = {
        "main": torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.5, 0.99), weight_decay=1e-3),
        "critics": torch.optim.AdamW(critics.parameters(), lr=2 * rate, betas=(0.5, 0.99), weight_decay=1e-3),
    }

    def step(number: int) -> dict[str, Tensor]:
        coarse, fine, near = train.draw(config.upsampler_batch, CUT)
        gain = torch.exp(_JITTER * torch.randn(len(coarse), 1, 1, device=device))
        noise = torch.randn(len(coarse), *noise_shape(coarse.shape[-1]), device=device)
        sampled = network.sampled(coarse, noise)
        made, folded = stepped(sampled), unevenness(phase_powers(sampled))
        real_seen, made_seen = (critics.normal(_seen(signals, near, gain)) for signals in (fine, made))
        critics_loss = _critics_loss(critics, real_seen, made_seen.detach())
        descend(optimizers["critics"], critics.parameters(), critics_loss)
        passing = torch.stack([-v[-1].mean() for v in critics(_blurred(made_seen))]).mean()
        moments = _moments_apart(real_seen, made_seen)
        anchor = waveform_loss(fine - network.expected(coarse, network.features(coarse)))
        copied = (decimated(made) - coarse[..., _MARGIN:-_MARGIN]).abs().mean()
        ratio = near_error(made, fine, near) / near_error(network.interpolated(coarse), fine, near)
        loss = _PASSING * passing + _MOMENTS * moments + _ANCHOR * anchor + _COPIED * copied + _FOLDED * folded
        descend(optimizers["main"], network.parameters(), loss + cast("Tensor", price.price) * ratio)
        price.observe(ratio.detach())
        ema.update(network, number)
        figures = {"critics": critics_loss, "passing": passing, "moments": moments, "anchor": anchor}
        figures |= {"folded": folded, "error": ratio}
        return {name: value.detach() for name, value in figures.items()}

    networks = {"upsampler": network, "average": ema, "critics": critics, "price": price}
    evaluate = held_out_figures_of(cast("Upsampler", ema.average), validation)
    steps = config.upsampler_tuning_steps
    return Stage("upsampler_tuned", config, networks, optimizers, steps, step, evaluate, evaluate_every=500)


def _begin(config: TrainConfig, folder: Path, train: RatePairs) -> Upsampler:
    """The upsampler as its stage left it, drawing with the moments of recordings."""
    network = build_upsampler(config).to(train.device)
    load_average(network, load_stage(folder, "upsampler"), "upsampler")
    fit_statistics(network, train)
    return network


@torch.no_grad()
def _figures(train: RatePairs) -> Tensor:
    """Figures of recordings, (n, 244)."""
    figures = []
    for _ in range(_LEARNED_FROM):
        _, fine, near = train.draw(64, CUT)
        gain = torch.exp(_JITTER * torch.randn(len(fine), 1, 1, device=fine.device))
        figures.append(_seen(fine, near, gain).flatten(0, 1))
    return torch.cat(figures)


def _seen(signals: Tensor, near: Tensor, gain: Tensor) -> Tensor:
    """Figures of signals at 400 Hz as critics get them: 4 s at 500 Hz without edges, dithered; (n, 2, 244)."""
    fine = splined(signals)
    near = near[:, torch.arange(fine.shape[-1], device=near.device) * 4 // 5]
    first = (fine.shape[-1] - 2 * PIECE) // 2
    inner = slice(first, first + 2 * PIECE)
    dithered = fine[..., inner] + STEP_MV * (torch.rand_like(fine[..., inner]) - 0.5)
    return piece_figures(gain * dithered, near[:, inner])


def _blurred(seen: Tensor) -> Tensor:
    return seen + _BLUR * torch.randn_like(seen)


def _critics_loss(critics: LevelCritics, real: Tensor, made: Tensor) -> Tensor:
    """Hinge loss and a gradient penalty on both sides (Mescheder et al. 2018, arXiv 1801.04406)."""
    sides = [_blurred(side).requires_grad_() for side in (real, made)]
    verdicts = [critics(side) for side in sides]
    total = torch.stack([v[-1].sum() for side in verdicts for v in side]).sum()
    gradients = torch.autograd.grad(total, sides, create_graph=True)
    penalty = torch.stack([gradient.square().sum(dim=(1, 2)).mean() for gradient in gradients]).sum()
    return discriminator_loss(*verdicts) + _PENALTY * penalty


def _moments_apart(real: Tensor, made: Tensor) -> Tensor:
    """How far a batch's figures are apart in their means, their spreads, and how much they change within records."""
    changes = ((side[:, 0] - side[:, 1]).abs().mean(dim=0) for side in (real, made))
    means, spreads = ([f(side.flatten(0, 1), dim=0) for side in (real, made)] for f in (torch.mean, torch.std))
    return torch.stack([(a - b).square().mean() for a, b in (means, spreads, tuple(changes))]).sum()
