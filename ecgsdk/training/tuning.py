"""Tuning: the distilled flow, asked through the decoder for ECGs that pass as real."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.encoding import BEAT_CHANNELS, condition_width
from ecgsdk.training.autoencoder import build_decoder, decoder_noise, freeze_statistics, jittered, load_encoder
from ecgsdk.training.distillation import build_distilled, one_step, pair_errors
from ecgsdk.training.loop import Ema, Stage, descend, load_average, load_stage, mixed_precision
from ecgsdk.training.losses import Discriminators, decoding_losses, discriminator_loss, low_pass
from ecgsdk.training.pairs import load_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData
    from ecgsdk.training.networks import Decoder, Flow

__all__ = ["tuned_networks", "tuning_stage"]

_LEVELS_COUNT = 3
_EDGES_HZ = (0.05, 0.25, 0.5, 1, 3, 8, 15, 25, 38, 44, 48)


class Critic(nn.Module):
    """Told to tell generated from real ECGs, given condition and beats.

    It sees the signals, their differences and what lies above 20 Hz, where ECGs are faint. Its verdicts: one every 320
    ms, one on the record, and one on how much power the record has in each lead and band, which counts three times. The
    condition enters by projection (Miyato and Koyama 2018, arXiv 1802.05637).
    """

    def __init__(self, condition: int, width: int = 32) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.early = nn.ModuleList(
            [
                norm(nn.Conv1d(24, width, 9, stride=2, padding=4)),
                norm(nn.Conv1d(width, 2 * width, 9, stride=2, padding=4)),
                norm(nn.Conv1d(2 * width, 3 * width, 9, stride=2, padding=4)),
            ]
        )
        self.late = nn.ModuleList(
            [
                norm(nn.Conv1d(3 * width + BEAT_CHANNELS, 4 * width, 5, padding=2)),
                norm(nn.Conv1d(4 * width, 4 * width, 5, stride=2, padding=2)),
                norm(nn.Conv1d(4 * width, 4 * width, 5, stride=2, padding=2)),
            ]
        )
        self.moment = norm(nn.Conv1d(4 * width, 1, 3, padding=1))
        self.whole = nn.Sequential(
            norm(nn.Linear(8 + 14 * width, 4 * width)), nn.LeakyReLU(0.2), norm(nn.Linear(4 * width, 1))
        )
        self.levels = nn.Sequential(
            norm(nn.Linear(8 * (len(_EDGES_HZ) - 1), 4 * width)),
            nn.LeakyReLU(0.2),
            norm(nn.Linear(4 * width, 4 * width)),
            nn.LeakyReLU(0.2),
            norm(nn.Linear(4 * width, 1)),
        )
        self.condition = nn.Linear(condition, 4 * width)

    def forward(self, signals: Tensor, condition: Tensor, beats: Tensor) -> list[list[Tensor]]:
        """Verdicts as the losses take them: the last of each list."""
        fine = 10 * (signals - low_pass(signals))
        x = torch.cat([signals, 5 * signals.diff(dim=-1, prepend=signals[..., :1]), fine], dim=1)
        for layer in self.early:
            x = F.leaky_relu(layer(x), 0.2)
        early = x
        x = torch.cat([x, beats.to(x.dtype)], dim=1)
        for layer in self.late:
            x = F.leaky_relu(layer(x), 0.2)
        projected = (x * self.condition(condition)[:, :, None]).mean(dim=1, keepdim=True)
        whole = self.whole(_figures(signals, early, x)) + projected.mean(-1)
        return [[self.moment(x) + projected], [whole], *_LEVELS_COUNT * [[self.levels(_levels(signals))]]]


def _figures(signals: Tensor, *features: Tensor) -> Tensor:
    """What is looked at in the whole: each lead's mean, and each feature's mean and standard deviation over time."""
    spreads = [figure for x in features for figure in (x.float().mean(-1), x.float().std(-1))]
    return torch.cat([100 * signals.mean(-1), *spreads], dim=1)


def _levels(signals: Tensor) -> Tensor:
    """Logarithm of each lead's power in bands, (n, 8 · bands), of a size near 1."""
    samples = signals.shape[-1]
    taper = torch.hann_window(samples, device=signals.device)
    power = torch.fft.rfft((signals - signals.mean(-1, keepdim=True)).float() * taper).abs().square()
    edges = [max(1, round(hertz * samples / 100)) for hertz in _EDGES_HZ]
    bands = torch.stack([power[..., low : max(high, low + 1)].sum(-1) for low, high in pairwise(edges)], dim=1)
    return (0.5 * bands.clamp_min(1e-6).log()).flatten(1)


def tuning_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """Distilled flow and decoder together, against discriminators of the ECGs that they make.

    The pairs hold the flow's latents in place; of real latents the decoder must still make the source's ECG. What
    regression and a critic of latents leave undone is faint in latents and clear in ECGs: power above 20 Hz, how leads
    go together, a record's first and last samples.
    """
    pairs = load_pairs(folder, config, device)
    encoder = load_encoder(folder, config, device)
    made_by = _begin(folder, config).to(device)
    network, decoder = cast("Flow", made_by["distilled"]), cast("Decoder", made_by["decoder"])
    ema = Ema(made_by, config.distil_ema).to(device)
    critics = nn.ModuleList([Critic(condition_width(config.statements)), Discriminators(24)]).to(device)
    optimizers = {
        "main": torch.optim.AdamW(made_by.parameters(), lr=config.tuning_rate, betas=(0.5, 0.99)),
        "critics": torch.optim.AdamW(critics.parameters(), lr=2 * config.tuning_rate, betas=(0.5, 0.99)),
    }
    n, copies = config.tuning_batch, max(1, config.tuning_batch // 4)

    def verdicts(signals: Tensor, condition: Tensor, beats: Tensor) -> list[list[Tensor]]:
        return critics[0](signals, condition, beats) + critics[1](signals)

    def step(number: int) -> dict[str, Tensor]:
        rows = train.draw(n)
        condition, beats = train.conditions[rows], train.beats[rows]
        real = rounded(jittered(train.millivolts(rows), config))
        start, end, *asked = pairs.take(torch.randint(pairs.learned, (n // 2,)).to(device))
        with mixed_precision(device):
            noise = torch.cat([torch.randn(n, *end.shape[1:], device=device), start])
            latents = one_step(network, noise, torch.cat([condition, asked[0]]), torch.cat([beats, asked[1]]))
            known = encoder(real[:copies]).float()
        error = (latents[n:] - end).square().mean()
        latents = torch.cat([latents[:n], known + config.latent_noise * torch.randn_like(known)])
        signals = decoder(latents, decoder_noise(decoder, latents))  # in full: half precision has steps of 4 µV
        copied = torch.stack(decoding_losses(signals[n:], real[:copies])).sum()
        made, given = rounded(signals), (torch.cat([condition, condition[:copies]]), torch.cat([beats, beats[:copies]]))
        with mixed_precision(device):
            critics_loss = discriminator_loss(verdicts(real, condition, beats), verdicts(made.detach(), *given))
            descend(optimizers["critics"], critics.parameters(), critics_loss)
            passing = torch.stack([-v[-1].float().mean() for v in verdicts(made, *given)]).mean()
        loss = error + config.tuning_copies * copied + config.tuning_adversarial * passing
        descend(optimizers["main"], made_by.parameters(), loss)
        ema.update(made_by, number)
        figures = {"error": error, "copied": copied, "critics": critics_loss, "passing": passing}
        return {name: value.detach() for name, value in figures.items()}

    networks = {"made_by": made_by, "average": ema, "critics": critics}
    evaluate = pair_errors(cast("Any", ema.average)["distilled"], pairs)
    return Stage("tuned", config, networks, optimizers, config.tuning_steps, step, evaluate, evaluate_every=500)


def _begin(folder: Path, config: TrainConfig) -> nn.ModuleDict:
    """The networks as distillation and the adversarial stage left them."""
    networks = {"distilled": build_distilled(config), "decoder": build_decoder(config)}
    for network, stage in zip(networks.values(), ("distilled", "adversarial")):
        load_average(network, load_stage(folder, stage), stage)
    freeze_statistics(cast("Decoder", networks["decoder"]))
    return tuned_networks(networks)


def tuned_networks(networks: Mapping[str, nn.Module]) -> nn.ModuleDict:
    """Those of a generator's networks that tuning changes."""
    return nn.ModuleDict({name: networks[name] for name in ("distilled", "decoder")})


def rounded(signals: Tensor) -> Tensor:
    """Signals in steps of 1 µV, as files hold them; gradients pass through.

    Where ECGs hold next to nothing, near 50 Hz, a recording's rounding gives it away.
    """
    return signals + ((signals * 1000).round() / 1000 - signals).detach()
