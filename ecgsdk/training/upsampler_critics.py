"""Told to tell made from recorded ECGs at 500 Hz by their figures: power in bands and leads, how leads go together."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.training.losses import difference_powers
from ecgsdk.training.upsampler_grain import FRAME
from ecgsdk.training.upsampler_rates import FINE_RATE, STEP_MV

__all__ = ["PIECE", "LevelCritics", "band_figures", "phase_powers", "piece_figures"]

PIECE = 2 * FINE_RATE
"""Samples at 500 Hz of which figures are taken."""

_EDGES_HZ = (1, 5, 10, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200, 240)
_FRAME = FINE_RATE // 5
_LEADS = len(INDEPENDENT_LEADS)
_POWERS = 2 * (len(_EDGES_HZ) - 1) * _LEADS
_TINY_MV = 1e-9
_FURTHEST = 6.0
_LEAST_SPREAD = 0.01
_OUTER_FRAMES = 3


def band_figures(signals: Tensor, near: Tensor) -> Tensor:
    """What pieces of ECGs look like.

    Args:
        signals: mV at 500 Hz, (n, 8, samples).
        near: which samples lie near R peaks, (n, samples).

    Returns:
        (n, 244): logarithms of power in 13 bands near R peaks and elsewhere, of frames of 0.2 s, lead by lead;
        logarithms of the second differences' standard deviation, and their correlations between leads.
    """
    frames = signals.float().unfold(-1, _FRAME, _FRAME // 4)
    taper = torch.hann_window(_FRAME, periodic=False, device=signals.device)
    spectrum = torch.fft.rfft((frames - frames.mean(-1, keepdim=True)) * taper)
    power = (spectrum.real.square() + spectrum.imag.square()) @ _bands().to(signals.device)
    busy = near[:, _FRAME // 2 :: _FRAME // 4][:, : frames.shape[2]].float()
    columns = []
    for where in (busy, 1 - busy):
        weight = where / where.sum(dim=1, keepdim=True).clamp(min=1)
        columns.append((torch.einsum("nlfb,nf->nbl", power, weight) + _TINY_MV).log().flatten(1))
    bent = signals.float().diff(n=2, dim=-1)
    size = bent.std(dim=-1, unbiased=False) + _TINY_MV
    alike = bent @ bent.transpose(1, 2) / bent.shape[2] / (size[:, :, None] * size[:, None])
    upper = torch.triu_indices(_LEADS, _LEADS, 1)
    return torch.cat([*columns, size.log(), alike[:, upper[0], upper[1]]], dim=1)


def piece_figures(signals: Tensor, near: Tensor) -> Tensor:
    """Figures of the first and the second 2 s, (n, 2, 244)."""
    pieces = (slice(0, PIECE), slice(PIECE, 2 * PIECE))
    return torch.stack([band_figures(signals[..., piece], near[:, piece]) for piece in pieces], dim=1)


def phase_powers(signals: Tensor) -> Tensor:
    """By which sample of a frame differences are larger or smaller: in recordings, by none.

    Args:
        signals: mV at 400 Hz, (n, 8, samples); the first begins a frame of 16, the longest stride of the upsampler.

    Returns:
        (n, 8 · orders, 16): mean logarithm of squared differences of order 1 to 4, less its mean over the 16, without
        the outermost frames.
    """
    frames = signals.shape[-1] // FRAME - 2 * _OUTER_FRAMES
    inner = difference_powers(signals, STEP_MV**2 / 4)[..., _OUTER_FRAMES * FRAME :][..., : frames * FRAME]
    powers = inner.unflatten(-1, (frames, FRAME)).mean(dim=2)
    return powers - powers.mean(dim=-1, keepdim=True)


class LevelCritics(nn.Module):
    """Three perceptrons on figures: of one piece; of two, their mean and how much they differ; of neighbouring bands.

    Args:
        figures: of recordings, (n, 244), by which figures are brought to a mean of 0 and a spread of 1.
    """

    def __init__(self, figures: Tensor, width: int = 192) -> None:
        super().__init__()
        self.register_buffer("mean", figures.mean(dim=0))
        self.register_buffer("spread", figures.std(dim=0) + _LEAST_SPREAD)
        size = figures.shape[1]
        self.networks = nn.ModuleList([_perceptron(inputs, width) for inputs in (size, 2 * size, size)])

    def normal(self, figures: Tensor) -> Tensor:
        """Figures, brought to a common scale."""
        scaled = (figures - cast("Tensor", self.mean)) / cast("Tensor", self.spread)
        return scaled.clamp(-_FURTHEST, _FURTHEST)

    def forward(self, normal: Tensor) -> list[list[Tensor]]:
        """Verdicts on what `normal` gives of `piece_figures`, as the losses take them: the last of each list."""
        steps = torch.cat([normal[..., :_POWERS] - _next_band(normal[..., :_POWERS]), normal[..., _POWERS:]], dim=-1)
        both = torch.cat([normal.mean(dim=1), (normal[:, 0] - normal[:, 1]).abs()], dim=1)
        seen = (normal.flatten(0, 1), both, 2 * steps.flatten(0, 1))
        return [[network(x)] for network, x in zip(self.networks, seen)]


def _next_band(powers: Tensor) -> Tensor:
    """Each band's power moved to the band below it, none to the highest."""
    bands = powers.unflatten(-1, (2, -1, _LEADS))
    return nn.functional.pad(bands[..., 1:, :], (0, 0, 0, 1)).flatten(-3)


def _perceptron(size: int, width: int) -> nn.Sequential:
    norm = nn.utils.parametrizations.weight_norm
    return nn.Sequential(
        norm(nn.Linear(size, width)),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.1),
        norm(nn.Linear(width, width)),
        nn.LeakyReLU(0.2),
        norm(nn.Linear(width, 1)),
    )


@cache
def _bands() -> Tensor:
    """Which frequencies belong to which bands, (51, 13)."""
    hertz = np.fft.rfftfreq(_FRAME, 1 / FINE_RATE)
    columns = [(hertz >= low) & (hertz < high) for low, high in pairwise(_EDGES_HZ)]
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)
