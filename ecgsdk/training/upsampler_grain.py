"""The upsampler's grain: noise above 40 Hz, as loud as the ECG at 100 Hz and what is drawn for the record make it."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.training.upsampler_rates import FACTOR

__all__ = ["BANDS", "BURSTS", "FRAME", "SOURCES", "STATES", "Drawn", "Grain", "lapped_transform"]

FRAME = 16
"""Samples at 400 Hz from one set of the grain's coefficients to the next: 40 ms."""

_LOWEST = 3
BANDS = FRAME - _LOWEST
"""Bands of 12.5 Hz in which grain is drawn, from 37.5 Hz on: PTB-XL's records100 are whole up to 40 Hz."""

STATES = 2
"""What a moment is: between QRS complexes, or one of them."""

SOURCES = 9
"""Noises that leads are mixed of, as many as there are electrodes."""

BURSTS = 2
"""Rows of noise of each lead that make it louder or quieter by moments, beside one that all leads share."""

_LEADS = len(INDEPENDENT_LEADS)
_ACTIVE_BANDS = slice(2, 5)
_LOUDEST_SOURCE = 3.0
_LOG_MV = (-14.0, 1.0)
_QUIETEST_MV2 = 2.5e-7
_TYPICAL_MV = 0.003


class Drawn(NamedTuple):
    """What is drawn for whole records.

    Attributes:
        levels: what is added to the logarithms of gains, (n, states, bands, 8, 1).
        sources: logarithms of the noises' sizes, (n, bands, 1, 9).
        channels: what is added to the channels of the network that gives gains, (n, channels, 8, 1).
    """

    levels: Tensor
    sources: Tensor
    channels: Tensor


class Grain(nn.Module):
    """Noise above 40 Hz: coefficients of a lapped transform at 400 Hz, times gains that a network gives.

    The gains follow the record's own power below 50 Hz, know the lead, and change with what is drawn: for the record,
    and for moments. Leads are mixtures of nine noises, each as loud as is drawn, so that leads go together in another
    way in each record.

    Attributes:
        mixing: of the noises, by state and band, (states, bands, 8, 9).
        bent: what tuning adds to the transform's kernels. Frames of a lapped transform whose bands differ in loudness
            are louder at some of their 16 samples than at others.
    """

    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.register_buffer("analysis", lapped_transform(FRAME // FACTOR), persistent=False)
        self.register_buffer("synthesis", lapped_transform(FRAME)[_LOWEST:], persistent=False)
        self.bands = nn.Conv2d(FRAME // FACTOR, width, (1, 3), padding=(0, 1))
        self.seen = nn.Conv2d(seen, width, (1, 4), stride=(1, 4), padding=(0, 2))
        self.bursts = nn.Conv2d(BURSTS + 1, width, (1, 3), padding=(0, 1), bias=False)
        self.lead = nn.Parameter(torch.zeros(1, width, _LEADS, 1))
        self.between_leads = nn.Conv2d(width, width, 1)
        self.body = nn.Conv2d(width, width, (1, 5), padding=(0, 2))
        self.record = nn.Conv2d(2 * width, width, 1)
        self.head = nn.Conv2d(width, BANDS, (1, 3), padding=(0, 1))
        self.lead_gains = nn.Parameter(torch.zeros(1, BANDS, _LEADS, 1))
        self.mixing = nn.Parameter(torch.eye(_LEADS, SOURCES).repeat(STATES, BANDS, 1, 1))
        self.bent = nn.Parameter(torch.zeros(BANDS, 1, 1, 2 * FRAME))
        nn.init.zeros_(self.bursts.weight)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(cast("Tensor", self.head.bias), math.log(_TYPICAL_MV))

    def forward(self, signals: Tensor, features: Tensor, noise: Tensor, drawn: Drawn) -> Tensor:
        """One drawing.

        Args:
            signals: mV at 100 Hz, (n, 8, samples); features: of the upsampler, (n, channels, 8, samples).
            noise: standard normal, (n, bands · 9 + 17, frames): of the sources, then of bursts.
            drawn: what is drawn for whole records.

        Returns:
            mV at 400 Hz, (n, 8, 4 · samples).
        """
        size = BANDS * SOURCES
        bursts = noise[:, size:-1].unflatten(1, (BURSTS, _LEADS))
        common = noise[:, None, -1:].expand(-1, -1, _LEADS, -1)
        opened = self.bursts(torch.cat([bursts, common], dim=1)) + drawn.channels
        logs = self.log_gains(signals, features, opened)
        active = self.activity(logs)
        sources = noise[:, :size].unflatten(1, (BANDS, SOURCES))
        loudness = drawn.sources.clamp(-_LOUDEST_SOURCE, _LOUDEST_SOURCE).exp()
        quiet, busy = ((mixing * loudness) @ sources for mixing in self.mixing)
        levels = drawn.levels[:, 0] + active * (drawn.levels[:, 1] - drawn.levels[:, 0])
        return self.synthesised((logs + levels).clamp(*_LOG_MV).exp() * (quiet + active * (busy - quiet)))

    def log_gains(self, signals: Tensor, features: Tensor, opened: Tensor | float = 0.0) -> Tensor:
        """Logarithms of standard deviations in mV, (n, bands, 8, frames); `opened` is added to the first layer."""
        power = _analysed(signals, cast("Tensor", self.analysis), FRAME // FACTOR).square()
        x = self.bands((power + _QUIETEST_MV2).log() / 3 + 3) + self.seen(features) + self.lead
        x = F.relu(x + opened)
        x = x + self.between_leads(x.mean(dim=2, keepdim=True))
        x = x + F.relu(self.body(x))
        whole = x.mean(dim=3, keepdim=True)
        x = x + F.relu(self.record(torch.cat([whole, whole.mean(dim=2, keepdim=True).expand_as(whole)], dim=1)))
        return self.head(x) + self.lead_gains

    def activity(self, logs: Tensor) -> Tensor:
        """How far a moment is one of QRS complexes, from 0 to 1, by the gain near 75 Hz; (n, 1, 1, frames)."""
        gains = logs[:, _ACTIVE_BANDS].mean(dim=(1, 2), keepdim=True)
        return torch.sigmoid(4 * (gains - gains.mean(dim=3, keepdim=True)) - 2)

    def coefficients(self, signals: Tensor) -> Tensor:
        """Of signals at 400 Hz, (n, 8, samples) → (n, bands, 8, frames)."""
        return _analysed(signals, cast("Tensor", self.synthesis), FRAME)

    def synthesised(self, coefficients: Tensor) -> Tensor:
        """Signals of coefficients: what `coefficients` gives, backwards, with the kernels bent."""
        kernels = cast("Tensor", self.synthesis) + self.bent
        return F.conv_transpose2d(coefficients, kernels, stride=(1, FRAME), padding=(0, FRAME))[:, 0]


def lapped_transform(bands: int) -> Tensor:
    """Kernels of the modified discrete cosine transform with a sine window, (bands, 1, 1, 2 · bands); orthonormal.

    Princen, Johnson and Bradley 1987 (ICASSP, 2161): frames of 2 · bands samples at every `bands` samples.
    """
    time, band = np.arange(2 * bands) + 0.5, np.arange(bands)[:, None] + 0.5
    kernels = np.cos(np.pi / bands * (time + bands / 2) * band) * np.sin(np.pi * time / (2 * bands))
    return torch.tensor(kernels * (2 / bands) ** 0.5, dtype=torch.float32)[:, None, None]


def _analysed(signals: Tensor, kernels: Tensor, frame: int) -> Tensor:
    """Coefficients of a lapped transform, (n, leads, samples) → (n, bands, leads, frames)."""
    return F.conv2d(signals[:, None], kernels, stride=(1, frame), padding=(0, frame))
