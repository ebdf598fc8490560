"""The networks that tuning changes: distilled flow, decoder and cut, which are kept and averaged together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ecgsdk.training.autoencoder import build_decoder, decoder_noise
from ecgsdk.training.cut import LEAST_OFFSET, SPARE, Cut
from ecgsdk.training.distillation import build_distilled, one_step
from ecgsdk.training.loop import mixed_precision
from ecgsdk.training.networks import TOKEN, Decoder, Flow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["build_tuned", "decoded", "last_tuned", "tuned_networks"]


def build_tuned(config: TrainConfig) -> nn.ModuleDict:
    """Untrained networks."""
    return tuned_networks(
        {"distilled": build_distilled(config), "decoder": build_decoder(config), "cut": Cut(config.samples)}
    )


def tuned_networks(networks: Mapping[str, nn.Module]) -> nn.ModuleDict:
    """Those of a generator's networks that tuning changes."""
    return nn.ModuleDict({name: networks[name] for name in ("distilled", "decoder", "cut")})


def last_tuned(folder: Path) -> str:
    """The stage that changed them last in this run."""
    return "ectopic" if (folder / "ectopic.pt").exists() else "tuned"


def decoded(
    networks: nn.ModuleDict, config: TrainConfig, train: TrainingData, rows: Tensor, drawn: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What the networks make of some training records' conditions and beats.

    Detected beats stand on samples; here they stand between them, as those of the rhythm model do.

    Args:
        drawn: other beats than the records' own, in seconds, (n, beats).

    Returns:
        ECGs before the cut, (n, 8, samples + 32) in mV, the sample at which each record begins, (n,), and the beats in
        seconds from there, (n, beats).
    """
    network, decoder = cast("Flow", networks["distilled"]), cast("Decoder", networks["decoder"])
    offset = LEAST_OFFSET + torch.randint(TOKEN, (len(rows),), device=rows.device)
    start = torch.randn(len(rows), config.latent_channels, config.samples // TOKEN + SPARE, device=rows.device)
    times = train.times[rows]
    times = times + (torch.rand_like(times) - 0.5) / config.sampling_rate if drawn is None else drawn
    with mixed_precision(rows.device):
        latents = one_step(network, start, train.conditions[rows], train.channels_of(times, offset))
    # The decoder in full: half precision has steps of 4 µV.
    return decoder(latents, decoder_noise(decoder, latents)), offset, times
