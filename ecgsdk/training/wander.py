"""Baselines that wander as far as recorded ones do: of most records little, of a few far.

A generator learns the common wander and hardly the rare far one, and a classifier that never saw it is misled by it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Wander", "slow_cosines"]

# Cosines over the record, k half periods: up to 0.5 Hz in 10 s, below the slowest heart rate.
_BANDS = (3, 3, 4)
# Of mean squared coefficients, so that their logarithm stays finite: a baseline of 0.1 µV.
_LEAST_MV2 = 4e-6
_SHARES = (0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99, 0.997)
_LEAST_RISE = 0.01
# Logarithm of the greatest gain of power.
_MOST_CHANGE = 4.0


class Wander(nn.Module):
    """Maps how strong each lead is in three bands below 0.5 Hz, by quantiles of its logarithm over records.

    Attributes:
        made, recorded: quantiles of the logarithm of power, of ECGs as they are made and as they are recorded,
            (leads, bands, shares).
    """

    made: Tensor
    recorded: Tensor
    cosines: Tensor
    bands: Tensor

    def __init__(self, samples: int, leads: int = 8) -> None:
        super().__init__()
        levels = torch.arange(len(_SHARES), dtype=torch.float32).repeat(leads, len(_BANDS), 1)
        self.register_buffer("made", levels)
        self.register_buffer("recorded", levels.clone())
        self.register_buffer("cosines", slow_cosines(samples), persistent=False)
        bands = torch.block_diag(*(torch.ones(1, size) for size in _BANDS))
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, signals: Tensor) -> Tensor:
        """Signals (n, leads, samples) in mV with baselines as recorded."""
        slow = signals @ self.cosines.T
        levels = self._levels(slow)[..., None]
        width = (self.made[..., 1:] - self.made[..., :-1]).clamp_min(_LEAST_RISE)
        change = self.recorded - self.made
        share = ((levels - self.made[..., :-1]) / width).clamp(0, 1)
        change = change[..., 0] + (share * (change[..., 1:] - change[..., :-1])).sum(-1)
        # Half of a power's logarithm is that of the amplitude.
        gain = (change.clamp(-_MOST_CHANGE, _MOST_CHANGE) / 2).exp() - 1
        return signals + (slow * (gain @ self.bands)) @ self.cosines

    def levels(self, signals: Tensor) -> Tensor:
        """Logarithm of each lead's mean squared coefficient by band, (n, leads, bands)."""
        return self._levels(signals @ self.cosines.T)

    def take(self, made: Tensor, recorded: Tensor) -> None:
        """Takes the map from the `levels` of many records, (n, leads, bands)."""
        shares = torch.tensor(_SHARES, device=made.device)
        for levels, quantiles in ((made, self.made), (recorded, self.recorded)):
            quantiles.copy_(levels.quantile(shares, dim=0).permute(1, 2, 0))

    def _levels(self, slow: Tensor) -> Tensor:
        return (slow.square() @ (self.bands / self.bands.sum(1, keepdim=True)).T + _LEAST_MV2).log()


def slow_cosines(samples: int) -> Tensor:
    """The first cosines of the discrete transform (type II) but the mean, orthonormal, (10, samples)."""
    half_periods = torch.arange(1, 1 + sum(_BANDS), dtype=torch.float64)[:, None]
    places = (torch.arange(samples, dtype=torch.float64) + 0.5) / samples
    return ((2 / samples) ** 0.5 * torch.cos(torch.pi * half_periods * places)).float()
