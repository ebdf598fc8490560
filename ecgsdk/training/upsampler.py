"""Upsampler stage: what is to be expected between the samples, and how much noise goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ecgsdk.beats import detect_beats
from ecgsdk.training.autoencoder import jittered
from ecgsdk.training.loop import Ema, Stage, descend
from ecgsdk.training.upsampler_network import Upsampler, build_upsampler, noise_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.upsampler_data import RatePairs

__all__ = ["around_beats", "band_power", "upsampler_stage"]

_CUT = 1280
_RATE = 500
_EVALUATED = 128
_HALF_WINDOW_S = 0.05
_STATISTICS_RATE = 0.005


def upsampler_stage(config: TrainConfig, train: RatePairs, validation: RatePairs, device: torch.device) -> Stage:
    """The upsampler, trained on random cuts of real records.

    What is to be expected is trained on waveform and slope. The grain is trained by likelihood on what is left: the
    lapped transform's coefficients are Gaussian, with the gains times a level of the record, which is lognormal.
    """
    network = build_upsampler(config).to(device)
    ema = Ema(network, config.upsampler_ema).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.upsampler_rate, weight_decay=1e-3)

    def step(number: int) -> dict[str, Tensor]:
        coarse, fine = train.draw(config.upsampler_batch, _CUT)
        both = jittered(torch.cat([coarse, fine], dim=-1), config)
        coarse, fine = both[..., : coarse.shape[-1]], both[..., coarse.shape[-1] :]
        left = fine - network.expected(coarse)
        waveform = left.abs().mean() + left.diff(dim=-1).abs().mean() + left.square().mean(dim=(1, 2)).sqrt().mean()
        grain, levels, scores, active = _grain_loss(network, coarse, left.detach())
        loss = waveform + config.upsampler_grain_weight * grain
        descend(optimizer, network.parameters(), loss)
        ema.update(network, number)
        cast("Upsampler", ema.average).grain.observe(levels, scores, active, _STATISTICS_RATE)
        return {"waveform": waveform.detach(), "grain": grain.detach(), "levels": levels.square().mean()}

    return Stage(
        "upsampler",
        config,
        {"upsampler": network, "average": ema},
        {"main": optimizer},
        config.upsampler_steps,
        step,
        _evaluation(cast("Upsampler", ema.average), validation),
        evaluate_every=1000,
    )


def _grain_loss(network: Upsampler, coarse: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Negative logarithm of the likelihood of what is left, per coefficient; levels, scores and activity likewise."""
    grain = network.grain
    logs = grain.log_gains(coarse)
    gains = grain.in_bands(logs)
    ratios = grain.coefficients(left).square() * torch.exp(-2 * gains)
    active = grain.activity(logs).detach()
    levels = grain.levels(ratios, active)
    shift = grain.in_bands(levels)
    likelihood = gains + 0.5 * shift + 0.5 * ratios * torch.exp(-shift)
    scores = ratios.sqrt() * torch.exp(-0.5 * shift) * grain.coefficients(left).sign()
    loss = likelihood.mean() + levels.square().mean()
    return loss, levels.detach(), scores.detach(), active


def _evaluation(network: Upsampler, validation: RatePairs) -> Callable[[], dict[str, float]]:
    """On held-out records: RMSE (µV) around R peaks of interpolation, without and with grain; power in bands."""

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        network.grain.settle()
        coarse, fine = validation.whole(range(min(len(validation), _EVALUATED)))
        noise = torch.randn(len(coarse), *noise_shape(coarse.shape[-1]), device=coarse.device)
        near = around_beats(fine)
        expected, grain = network.expected(coarse), network.grain(coarse, noise)
        made = {"interpolated": network.interpolated(coarse), "expected": expected, "": expected + grain}
        figures = {
            f"val_qrs_rmse_{name}".rstrip("_"): 1000 * float((signals - fine)[near].square().mean().sqrt())
            for name, signals in made.items()
        }
        for low, high in ((40, 60), (60, 100), (100, 150), (150, 250)):
            figures[f"power_{low}_{high}"] = band_power(made[""], low, high) / band_power(fine, low, high)
        return {name: round(value, 3) for name, value in figures.items()}

    return evaluate


def around_beats(signals: Tensor) -> Tensor:
    """Which samples at 500 Hz lie within 50 ms of an R peak; bool, of the signals' shape."""
    near = torch.zeros(signals.shape, dtype=torch.bool, device=signals.device)
    half = int(_HALF_WINDOW_S * _RATE)
    for row, beats in zip(near, detect_beats(signals.cpu().numpy(), float(_RATE))):
        for beat in beats:
            centre = round(float(beat) * _RATE)
            row[:, max(0, centre - half) : centre + half + 1] = True
    return near


def band_power(signals: Tensor, low: float, high: float) -> float:
    """Power between two frequencies of signals at 500 Hz, under a Hann window."""
    window = torch.hann_window(signals.shape[-1], device=signals.device)
    power = torch.fft.rfft(signals * window).abs().square()
    frequency = torch.fft.rfftfreq(signals.shape[-1], 1 / _RATE, device=signals.device)
    return float(power[..., (frequency >= low) & (frequency < high)].sum())
