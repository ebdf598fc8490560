"""Ectopic beats: the tuned flow, asked by a critic of early beats alone for beats of other forms; all else is held."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ecgsdk.encoding import condition_width, statement_columns
from ecgsdk.errors import TrainingError
from ecgsdk.training.autoencoder import decoder_noise, freeze_statistics, jittered
from ecgsdk.training.critics import EctopicCritic, Given, early_beats
from ecgsdk.training.cut import LEAST_OFFSET, SPARE
from ecgsdk.training.distillation import one_step
from ecgsdk.training.loop import Ema, Stage, descend, load_average, load_stage, mixed_precision
from ecgsdk.training.losses import discriminator_loss
from ecgsdk.training.networks import TOKEN
from ecgsdk.training.tuned import build_tuned
from ecgsdk.usual_beats import FIBRILLATING

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData
    from ecgsdk.training.networks import Decoder, Flow

__all__ = ["ectopic_stage", "held"]

_CRITIC_ALONE = 0.05
_SEEN_NOISE_MV = 0.01
_BEFORE_S, _BEHIND_S = 0.4, 0.6
_LEAST_HELD = 0.01


def ectopic_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """The distilled flow alone, with the decoder that stays as it is.

    Of the records with early beats outside fibrillation and flutter, a critic sees these beats, on both sides under
    white noise of 10 µV. Latents away from such beats, and those of other records, are held where they were for the
    same noise: what the generator has learned otherwise is not asked anew.

    Raises:
        TrainingError: no record, or every one, has early beats.
    """
    made_by = build_tuned(config)
    load_average(made_by, load_stage(folder, "tuned"), "tuned")
    freeze_statistics(cast("Decoder", made_by["decoder"].requires_grad_(False)))
    made_by.to(device)
    network, decoder = cast("Flow", made_by["distilled"]), cast("Decoder", made_by["decoder"])
    before = copy.deepcopy(network).eval().requires_grad_(False)
    ema = Ema(made_by, config.ectopic_ema).to(device)
    critic = EctopicCritic(condition_width(config.statements)).to(device)
    optimizers = {
        "main": torch.optim.AdamW(network.parameters(), lr=config.ectopic_rate, betas=(0.5, 0.99)),
        "critic": torch.optim.AdamW(critic.parameters(), lr=2 * config.ectopic_rate, betas=(0.5, 0.99)),
    }
    fit = _with_early_beats(train, config)
    if not fit.any() or fit.all():
        raise TrainingError("the ectopic stage needs records with early beats and others; set ectopic_steps to 0")
    ectopic, other = train.weights * fit, train.weights * ~fit
    n, others = config.ectopic_batch, max(1, config.ectopic_batch // 3)
    alone = _CRITIC_ALONE * config.ectopic_steps

    def seen(signals: Tensor) -> Tensor:
        return signals + _SEEN_NOISE_MV * torch.randn_like(signals)

    def step(number: int) -> dict[str, Tensor]:
        rows = torch.cat([torch.multinomial(ectopic, n, True), torch.multinomial(other, others, True)])
        given = Given(train.conditions[rows[:n]], train.beats[rows[:n]], train.times[rows[:n]])
        offset = LEAST_OFFSET + torch.randint(TOKEN, (len(rows),), device=device)
        start = torch.randn(len(rows), config.latent_channels, config.samples // TOKEN + SPARE, device=device)
        beats = train.beats_behind(rows, offset)
        with mixed_precision(device), torch.set_grad_enabled(number >= alone):
            latents = one_step(network, start, train.conditions[rows], beats)
        with torch.set_grad_enabled(number >= alone):
            signals = decoder(latents[:n], decoder_noise(decoder, latents[:n]))
            made = seen(made_by["cut"](signals, offset[:n]))
        real = seen(jittered(train.millivolts(rows[:n]), config))
        told = discriminator_loss(critic(real, given), critic(made.detach(), given))
        descend(optimizers["critic"], critic.parameters(), told)
        figures = {"critic": told}
        if number >= alone:
            with torch.no_grad(), mixed_precision(device):
                were = one_step(before, start, train.conditions[rows], beats)
            keep = torch.ones(len(rows), latents.shape[2], device=device)
            keep[:n] = held(given.times, offset[:n], latents.shape[2]).clamp_min(_LEAST_HELD)
            moved = ((latents - were).square().mean(1) * keep).mean()
            passing = -critic(made, given)[0][-1].mean()
            descend(optimizers["main"], network.parameters(), config.ectopic_hold * moved + passing)
            ema.update(made_by, number)
            figures |= {"moved": moved, "passing": passing}
        return {name: value.detach() for name, value in figures.items()}

    networks = {"made_by": made_by, "average": ema, "critic": critic}
    return Stage("ectopic", config, networks, optimizers, config.ectopic_steps, step)


def held(times: Tensor, offset: Tensor, tokens: int) -> Tensor:
    """1 for each token that is to stay, 0 from 0.4 s before to 0.6 s behind an early beat, (n, tokens).

    Args:
        times: of beats in the record, seconds at 100 Hz, NaN-padded, (n, beats).
        offset: the sample with which the record begins, (n,).
    """
    middles = (torch.arange(tokens, device=times.device) + 0.5) * TOKEN / 100
    early = times.where(early_beats(times), torch.full_like(times, torch.nan)) + offset[:, None] / 100
    away = middles - early[:, :, None]
    return (~((away > -_BEFORE_S) & (away < _BEHIND_S)).any(dim=1)).float()


def _with_early_beats(train: TrainingData, config: TrainConfig) -> Tensor:
    """Records in which a beat comes early and that neither fibrillate nor flutter."""
    fibrillating = statement_columns(config.statements, FIBRILLATING)
    return early_beats(train.times).any(dim=1) & ~(train.conditions[:, fibrillating] > 0).any(dim=1)
