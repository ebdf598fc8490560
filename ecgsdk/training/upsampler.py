"""Upsampler stage: what is to be expected between the samples, each record's own way, and how loud the rest is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ecgsdk.training.autoencoder import jittered
from ecgsdk.training.loop import Ema, Stage, descend
from ecgsdk.training.upsampler_network import Upsampler, build_upsampler, noise_shape
from ecgsdk.training.upsampler_rates import FINE_RATE, splined, stepped
from ecgsdk.training.upsampler_statistics import own_weights, without_own_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.upsampler_data import RatePairs

__all__ = ["CUT", "band_power", "held_out_figures_of", "near_error", "upsampler_stage", "waveform_loss"]

CUT = 1760
"""Samples at 400 Hz of which one step learns."""

_EVALUATED = 128
_LOUDEST = 1000.0
_OWN_WEIGHT = 0.5


def upsampler_stage(config: TrainConfig, train: RatePairs, validation: RatePairs, device: torch.device) -> Stage:
    """The upsampler without what it draws, trained on random cuts of real records.

    What is to be expected is trained on waveform and slope. The shapes of a record's own way are trained on how well
    they explain one half of a cut with weights from the other. The grain's gains are trained by the likelihood of what
    both leave, whose lapped transform's coefficients are Gaussian.
    """
    network = build_upsampler(config).to(device)
    ema = Ema(network, config.upsampler_ema).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.upsampler_rate, weight_decay=1e-3)

    def step(number: int) -> dict[str, Tensor]:
        coarse, fine, _ = train.draw(config.upsampler_batch, CUT)
        both = jittered(torch.cat([coarse, fine], dim=-1), config)
        coarse, fine = both[..., : coarse.shape[-1]], both[..., coarse.shape[-1] :]
        features = network.features(coarse)
        left = fine - network.expected(coarse, features)
        waveform = waveform_loss(left)
        basis, left = network.basis(features), left.detach()
        own = _own_loss(basis, left)
        rest = without_own_way(basis, left, own_weights(basis, left)).detach()
        grain = _grain_loss(network, coarse, features, rest)
        loss = waveform + _OWN_WEIGHT * own + config.upsampler_grain_weight * grain
        descend(optimizer, network.parameters(), loss)
        ema.update(network, number)
        return {"waveform": waveform.detach(), "own": own.detach(), "grain": grain.detach()}

    networks = {"upsampler": network, "average": ema}
    evaluate = held_out_figures_of(cast("Upsampler", ema.average), validation)
    steps = config.upsampler_steps
    return Stage("upsampler", config, networks, {"main": optimizer}, steps, step, evaluate, evaluate_every=1000)


def waveform_loss(left: Tensor) -> Tensor:
    """Of what is left of signals (mV): mean size, slope, and root mean square by record."""
    return left.abs().mean() + left.diff(dim=-1).abs().mean() + left.square().mean(dim=(1, 2)).sqrt().mean()


def _own_loss(basis: Tensor, left: Tensor) -> Tensor:
    """What shapes leave of one half of a cut, with the weights that fit the other best: waveform and slope."""
    halves = [slice(None, CUT // 2), slice(CUT // 2, None)]
    losses = []
    for known, asked in (halves, halves[::-1]):
        weights = own_weights(basis[..., known], left[..., known])
        rest = without_own_way(basis[..., asked], left[..., asked], weights)
        losses += [signals.square().mean(dim=-1).sqrt().mean() for signals in (rest, rest.diff(dim=-1))]
    return torch.stack(losses).sum()


def _grain_loss(network: Upsampler, coarse: Tensor, features: Tensor, rest: Tensor) -> Tensor:
    """Negative logarithm of the likelihood of the rest, per coefficient; one that is far too loud counts no further."""
    logs = network.grain.log_gains(coarse, features)
    ratios = network.grain.coefficients(rest).square() * torch.exp(-2 * logs)
    return (logs + 0.5 * ratios.clamp(max=_LOUDEST)).mean()


def held_out_figures_of(network: Upsampler, validation: RatePairs) -> Callable[[], dict[str, float]]:
    """On held-out records at 500 Hz: RMSE (µV) near R peaks of interpolated, expected and drawn; power in bands."""

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        coarse, fine, near = validation.whole(range(min(len(validation), _EVALUATED)))
        noise = torch.randn(len(coarse), *noise_shape(coarse.shape[-1]), device=coarse.device)
        made = {
            "interpolated": network.interpolated(coarse),
            "expected": network.expected(coarse, network.features(coarse)),
            "": stepped(network.sampled(coarse, noise)),
        }
        figures = {
            f"val_qrs_rmse_{name}".rstrip("_"): 1000 * float(near_error(signals, fine, near).sqrt())
            for name, signals in made.items()
        }
        drawn, real = splined(made[""]), splined(fine)
        for low, high in ((40, 60), (60, 100), (100, 150), (150, 250)):
            figures[f"power_{low}_{high}"] = band_power(drawn, low, high) / band_power(real, low, high)
        return {name: round(value, 3) for name, value in figures.items()}

    return evaluate


def near_error(made: Tensor, real: Tensor, near: Tensor) -> Tensor:
    """Mean squared difference of signals (n, 8, samples) over samples near R peaks, (n, samples)."""
    weight = near[:, None].float()
    return ((made - real).square() * weight).sum() / (weight.sum() * made.shape[1]).clamp(min=1)


def band_power(signals: Tensor, low: float, high: float) -> float:
    """Power between two frequencies of signals at 500 Hz, under a Hann window."""
    window = torch.hann_window(signals.shape[-1], device=signals.device)
    power = torch.fft.rfft(signals * window).abs().square()
    frequency = torch.fft.rfftfreq(signals.shape[-1], 1 / FINE_RATE, device=signals.device)
    return float(power[..., (frequency >= low) & (frequency < high)].sum())
