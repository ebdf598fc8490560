"""Tuning: the distilled flow, asked through the decoder for ECGs that pass as real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ecgsdk.encoding import condition_width
from ecgsdk.training.autoencoder import decoder_noise, freeze_statistics, jittered, load_encoder
from ecgsdk.training.critics import Critics, Given, TokenCritic, token_powers
from ecgsdk.training.cut import LEAST_OFFSET, SPARE, begun_later
from ecgsdk.training.distillation import one_step, pair_errors
from ecgsdk.training.loop import Ema, Stage, descend, load_average, load_stage, mixed_precision
from ecgsdk.training.losses import decoding_losses, discriminator_loss, gradient_penalty, unevenness
from ecgsdk.training.networks import TOKEN
from ecgsdk.training.pairs import load_pairs
from ecgsdk.training.tuned import build_tuned

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData
    from ecgsdk.training.networks import Decoder, Flow

__all__ = ["tuning_stage"]

_PENALTY_EVERY = 16
_TOKENS = 0.1
_ENDS_OF = 4096


def tuning_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """Distilled flow and decoder together, against discriminators of the ECGs that they make.

    The pairs hold the flow's latents in place; of real latents the decoder must still make the source's ECG. What
    regression and a critic of latents leave undone is faint in latents and clear in ECGs: power above 20 Hz, how leads
    go together, how alike a record's beats are, its first and last samples.
    """
    pairs = load_pairs(folder, config, device)
    encoder = load_encoder(folder, config, device)
    made_by = _begin(folder, config).to(device)
    cast("Any", made_by["cut"]).learn_ends(train.signals[:_ENDS_OF].cpu() * train.units)
    network, decoder, cut = cast("Flow", made_by["distilled"]), cast("Decoder", made_by["decoder"]), made_by["cut"]
    ema = Ema(made_by, config.tuning_ema).to(device)
    critics, tokens = Critics(condition_width(config.statements)).to(device), TokenCritic().to(device)
    optimizers = {
        "main": torch.optim.AdamW(made_by.parameters(), lr=config.tuning_rate, betas=(0.5, 0.99)),
        "critics": torch.optim.AdamW(critics.parameters(), lr=2 * config.tuning_rate, betas=(0.5, 0.99)),
        "tokens": torch.optim.AdamW(tokens.parameters(), lr=2 * config.tuning_rate, betas=(0.5, 0.99)),
    }
    n, copies = config.tuning_batch, max(1, config.tuning_batch // 4)

    def judged(real: Tensor, made: Tensor, given: Given, of_made: Given, number: int) -> dict[str, Tensor]:
        """One step of the critics."""
        penalised = number % _PENALTY_EVERY == 0
        real = real.detach().requires_grad_(penalised)
        with mixed_precision(device):
            verdicts = critics(real, given)
            loss = discriminator_loss(verdicts, critics(made.detach(), of_made))
        penalty = gradient_penalty(verdicts, real) if penalised else torch.zeros((), device=device)
        descend(optimizers["critics"], critics.parameters(), loss + config.tuning_penalty * _PENALTY_EVERY * penalty)
        return {"critics": loss} | ({"penalty": penalty} if penalised else {})

    def evened(latents: Tensor, offset: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """How a token's samples differ: in power, and as their critic sees it, after its step. The decoder's alone."""
        made = rounded(cut(decoder(latents.detach(), decoder_noise(decoder, latents)), offset))
        anywhere, phase = torch.randint(TOKEN, (len(real),), device=device), -offset % TOKEN
        loss = discriminator_loss(tokens(real, anywhere), tokens(made.detach(), phase))
        descend(optimizers["tokens"], tokens.parameters(), loss)
        return unevenness(token_powers(made, phase)), -tokens(made, phase)[0][-1].mean()

    def step(number: int) -> dict[str, Tensor]:
        rows, offset = train.draw(n), LEAST_OFFSET + torch.randint(TOKEN, (n,), device=device)
        given = Given(train.conditions[rows], train.beats[rows], train.times[rows])
        real = rounded(jittered(train.millivolts(rows), config))
        start, end, *asked = pairs.take(torch.randint(pairs.learned, (n // 2,), device=device))
        with mixed_precision(device):
            error = (one_step(network, start, *asked) - end).square().mean()
            noise = torch.randn(n, end.shape[1], end.shape[2] + SPARE, device=device)
            latents = one_step(network, noise, given.condition, train.beats_behind(rows, offset))
            known = encoder(begun_later(real[:copies], offset[:copies])).float()
        latents = torch.cat([latents, known + config.latent_noise * torch.randn_like(known)])
        decoded = decoder(latents, decoder_noise(decoder, latents))  # in full: half precision has steps of 4 µV
        offset = torch.cat([offset, offset[:copies]])
        signals = cut(decoded, offset)
        copied = torch.stack(decoding_losses(signals[n:], real[:copies])).sum()
        made, of_made = rounded(signals), given.and_then(given.first(copies))
        figures = judged(real, made, given, of_made, number)
        with mixed_precision(device):
            passing = torch.stack([-v[-1].float().mean() for v in critics(made, of_made)]).mean()
        uneven, folded = evened(latents, offset, real)
        loss = error + config.tuning_copies * copied + config.tuning_adversarial * (passing + _TOKENS * folded)
        descend(optimizers["main"], made_by.parameters(), loss + config.tuning_evenness * uneven)
        ema.update(made_by, number)
        figures |= {"error": error, "copied": copied, "passing": passing, "uneven": uneven, "folded": folded}
        return {name: value.detach() for name, value in figures.items()}

    networks = {"made_by": made_by, "average": ema, "critics": critics, "tokens": tokens}
    evaluate = pair_errors(cast("Any", ema.average)["distilled"], pairs)
    return Stage("tuned", config, networks, optimizers, config.tuning_steps, step, evaluate, evaluate_every=500)


def _begin(folder: Path, config: TrainConfig) -> nn.ModuleDict:
    """The networks as distillation and the adversarial stage left them."""
    networks = build_tuned(config)
    for name, stage in (("distilled", "distilled"), ("decoder", "adversarial")):
        load_average(networks[name], load_stage(folder, stage), stage)
    freeze_statistics(cast("Decoder", networks["decoder"]))
    return networks


def rounded(signals: Tensor) -> Tensor:
    """Signals in steps of 1 µV, as files hold them; gradients pass through.

    Where ECGs hold next to nothing, near 50 Hz, a recording's rounding gives it away.
    """
    return signals + ((signals * 1000).round() / 1000 - signals).detach()
