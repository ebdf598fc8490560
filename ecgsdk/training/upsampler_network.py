"""The upsampler: an ECG at 100 Hz → the same at 500 Hz, in which what 100 Hz cannot tell is drawn.

Leads stand on the last axis but one throughout, so that one small network serves all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from ecgsdk.training.config import TrainConfig

__all__ = ["DELAY", "FACTOR", "Grain", "Upsampler", "build_upsampler", "lapped_transform", "noise_shape"]

FACTOR = 5
"""Samples at 500 Hz for one at 100 Hz."""

DELAY = 0.625
"""Where a sample of PTB-XL's records100 stands in its records500: sample n at 5 n + 0.625, found by least squares."""

_FRAME = 20
"""Samples at 500 Hz from one set of the grain's coefficients to the next: 40 ms."""

_LOWEST = 3
_BANDS = _FRAME - _LOWEST
"""Bands of 12.5 Hz in which grain is drawn, from 37.5 Hz on: PTB-XL's records100 are whole up to 40 Hz."""

_LEADS = 8
_KNOTS = (43.75, 56.0, 75.0, 100.0, 137.0, 190.0, 243.75)
_TAPS = 41
# Grain is no part of the ECG recorded: all that is missing at QRS, drawn, would add more error than interpolation has.
_BUSY_SHARE = 0.75
# A record must not depend on those beside it to the last bit: ONNX Runtime adds up rows, and bends arrays, in another
# way at their ends, unless these are multiples of the longest vector of a processor, 16 numbers.
_ALIGNED = 16
_QUIETEST_MV2 = 2.5e-7
_TYPICAL_MV = 0.003


class Upsampler(nn.Module):
    """8 leads at 100 Hz (mV) and noise → 8 leads at 500 Hz (mV).

    The sum of three: band-limited interpolation; what a convolutional network adds to it, the ECG to be expected; and
    grain, coloured noise as large as the record leads to expect.
    """

    def __init__(self, width: int, blocks: int, grain_width: int) -> None:
        super().__init__()
        self.register_buffer("interpolation", _interpolation(), persistent=False)
        self.stem = nn.Conv2d(2, width, (1, 9), padding=(0, 4))
        self.between_leads = nn.Conv2d(width, width, 1)
        self.blocks = nn.ModuleList([_block(width) for _ in range(blocks)])
        self.head = nn.Conv2d(width, FACTOR, (1, 3), padding=(0, 1))
        self.grain = Grain(grain_width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(cast("Tensor", self.head.bias))

    def forward(self, signals: Tensor, noise: Tensor) -> Tensor:
        """Signals (n, 8, samples), standard normal noise of `noise_shape`; (n, 8, 5 · samples)."""
        return self.expected(signals) + self.grain(signals, noise)

    def interpolated(self, signals: Tensor) -> Tensor:
        """Band-limited interpolation alone."""
        edged = F.pad(signals, (_TAPS // 2, _TAPS // 2), mode="replicate")
        return _interleaved(F.conv2d(edged[:, None], cast("Tensor", self.interpolation)))

    def expected(self, signals: Tensor) -> Tensor:
        """The ECG to be expected, without grain."""
        slope = F.pad(signals[..., 1:] - signals[..., :-1], (1, 0))
        x = F.silu(self.stem(torch.stack([2 * signals, 10 * slope], dim=1)))
        x = x + self.between_leads(x.mean(dim=2, keepdim=True))
        for block in self.blocks:
            x = F.silu(x + block(x))
        return self.interpolated(signals) + 0.1 * _interleaved(self.head(x))


class Grain(nn.Module):
    """Noise above 40 Hz: independent coefficients of a lapped transform, times gains that a network gives.

    The gains follow the record's own power in the bands that 100 Hz holds. How far a record departs from what they say
    as a whole, and how the leads go together, is drawn as it was in the training data: `statistics` are kept up to
    date while training.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("analysis", lapped_transform(_FRAME // FACTOR), persistent=False)
        self.register_buffer("synthesis", lapped_transform(_FRAME)[_LOWEST:], persistent=False)
        self.register_buffer("hats", _hats(), persistent=False)
        self.stem = nn.Conv2d(_FRAME // FACTOR, width, (1, 3), padding=(0, 1))
        self.body = nn.Conv2d(width, width, (1, 5), padding=(0, 2))
        self.record = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(width, len(_KNOTS), (1, 3), padding=(0, 1))
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(cast("Tensor", self.head.bias), math.log(_TYPICAL_MV))
        self.register_buffer("common_levels", 0.01 * torch.eye(len(_KNOTS)))
        self.register_buffer("own_levels", 0.01 * torch.eye(len(_KNOTS)))
        self.register_buffer("correlations", torch.eye(_LEADS).repeat(2, _BANDS, 1, 1))
        self.settle()

    def forward(self, signals: Tensor, noise: Tensor) -> Tensor:
        """Signals (n, 8, samples) at 100 Hz, noise (n, 8 · bands, frames + 1); (n, 8, 5 · samples).

        The last column of the noise is what whole records are louder or quieter by.
        """
        logs = self.log_gains(signals)
        active = self.activity(logs)
        logs = logs + 0.5 * self._levels(noise[:, : (_LEADS + 1) * len(_KNOTS), -1])
        drawn = noise[:, :, :-1].unflatten(1, (_BANDS, _LEADS))
        quiet, busy = self.lead_factors[0] @ drawn, self.lead_factors[1] @ drawn
        return self.synthesised(self.in_bands(logs).exp() * (quiet + active * (_BUSY_SHARE * busy - quiet)))

    def log_gains(self, signals: Tensor) -> Tensor:
        """Logarithms of standard deviations in mV at the knots, (n, knots, 8, frames)."""
        power = _analysed(signals, cast("Tensor", self.analysis), _FRAME // FACTOR).square()
        x = F.silu(self.stem((power + _QUIETEST_MV2).log() / 3 + 3))
        x = F.silu(self.body(x))
        whole = _mean_over_time(x)
        x = F.silu(x + self.record(whole + whole.mean(dim=2, keepdim=True)))
        return self.head(x)

    def in_bands(self, knots: Tensor) -> Tensor:
        """From the knots to all bands, linearly in frequency."""
        return F.conv2d(knots, cast("Tensor", self.hats))

    def activity(self, logs: Tensor) -> Tensor:
        """How far a moment is one of QRS complexes, from 0 to 1, by the gain near 75 Hz; (n, 1, 1, frames)."""
        gains = logs.mean(dim=2, keepdim=True)
        excess = (gains - _mean_over_time(gains))[:, 2:3]
        return torch.sigmoid(4 * excess.expand(-1, _ALIGNED, -1, -1) - 2)[:, :1]

    def coefficients(self, signals: Tensor) -> Tensor:
        """Of signals at 500 Hz, (n, 8, samples) → (n, bands, 8, frames)."""
        return _analysed(signals, cast("Tensor", self.synthesis), _FRAME)

    def synthesised(self, coefficients: Tensor) -> Tensor:
        """Signals of coefficients: what `coefficients` gives, backwards."""
        kernels = cast("Tensor", self.synthesis)
        return F.conv_transpose2d(coefficients, kernels, stride=(1, _FRAME), padding=(0, _FRAME))[:, 0]

    def levels(self, ratios: Tensor, active: Tensor) -> Tensor:
        """Logarithm of a record's power between QRS complexes over that which the gains tell, (n, knots, 8, 1).

        Args:
            ratios: squared coefficients over squared gains, (n, bands, 8, frames).
            active: of `activity`.
        """
        hats = cast("Tensor", self.hats)[:, :, 0, 0]
        quiet = (1 - active) / (1 - active).sum(dim=3, keepdim=True)
        mean = torch.einsum("bk,nbl->nkl", hats / hats.sum(dim=0), (ratios * quiet).sum(dim=3))
        return (mean + 1e-6).log()[..., None]

    @torch.no_grad()
    def observe(self, levels: Tensor, scores: Tensor, active: Tensor, rate: float) -> None:
        """Takes one batch into the running statistics.

        Args:
            levels: of `levels`; scores: coefficients over gains and levels; active: of `activity`.
            rate: the batch's weight.
        """
        common = levels[..., 0].mean(dim=2)
        own = (levels[..., 0] - common[..., None]).transpose(1, 2).flatten(0, 1) * (_LEADS / (_LEADS - 1)) ** 0.5
        for name, values in (("common_levels", common), ("own_levels", own)):
            getattr(self, name).lerp_(values.T @ values / len(values), rate)
        states = torch.cat([1 - active, active])[:, 0, 0].unflatten(0, (2, -1))
        moments = torch.einsum("sbt,bkit,bkjt->skij", states, scores, scores)
        size = moments.diagonal(dim1=2, dim2=3).sqrt() + 1e-6
        cast("Tensor", self.correlations).lerp_(moments / (size[..., None] * size[..., None, :]), rate)

    def settle(self) -> None:
        """Takes the statistics over into what is drawn; to be called when they have changed."""
        self.common_factor = _factors(cast("Tensor", self.common_levels))
        self.own_factor = _factors(cast("Tensor", self.own_levels))
        self.lead_factors = _factors(cast("Tensor", self.correlations))

    def _levels(self, noise: Tensor) -> Tensor:
        drawn = noise.unflatten(1, (len(_KNOTS), _LEADS + 1))
        return (self.common_factor @ drawn[:, :, :1] + self.own_factor @ drawn[:, :, 1:])[..., None]


def build_upsampler(config: TrainConfig) -> Upsampler:
    """An untrained upsampler."""
    return Upsampler(config.upsampler_width, config.upsampler_blocks, config.upsampler_grain_width)


def noise_shape(samples: int) -> tuple[int, int]:
    """Shape of the noise for a record of so many samples at 100 Hz."""
    return _LEADS * _BANDS, samples * FACTOR // _FRAME + 2


def lapped_transform(bands: int) -> Tensor:
    """Kernels of the modified discrete cosine transform with a sine window, (bands, 1, 1, 2 · bands); orthonormal.

    Princen, Johnson and Bradley 1987 (ICASSP, 2161): frames of 2 · bands samples at every `bands` samples.
    """
    time, band = np.arange(2 * bands) + 0.5, np.arange(bands)[:, None] + 0.5
    kernels = np.cos(np.pi / bands * (time + bands / 2) * band) * np.sin(np.pi * time / (2 * bands))
    return torch.tensor(kernels * (2 / bands) ** 0.5, dtype=torch.float32)[:, None, None]


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, (1, 5), padding=(0, 2)), nn.SiLU(), nn.Conv2d(width, width, (1, 5), padding=(0, 2))
    )


def _analysed(signals: Tensor, kernels: Tensor, frame: int) -> Tensor:
    """Coefficients of a lapped transform, (n, leads, samples) → (n, bands, leads, frames)."""
    return F.conv2d(signals[:, None], kernels, stride=(1, frame), padding=(0, frame))


def _interpolation() -> Tensor:
    """Kernels of the five phases at 500 Hz: a sinc under a Kaiser window, which moves the signal by the delay."""
    half = _TAPS // 2
    times = (np.arange(FACTOR)[:, None] - DELAY) / FACTOR - np.arange(-half, half + 1)
    window = np.i0(6 * np.sqrt(np.clip(1 - (times / (half + 1)) ** 2, 0, 1)))
    kernels = np.sinc(times) * window
    return torch.tensor(kernels / kernels.sum(axis=1, keepdims=True), dtype=torch.float32)[:, None, None]


def _interleaved(phases: Tensor) -> Tensor:
    """(n, phases, leads, samples) → (n, leads, samples · phases)."""
    return phases.permute(0, 2, 3, 1).flatten(2)


def _mean_over_time(x: Tensor) -> Tensor:
    return F.pad(x, (0, -x.shape[3] % _ALIGNED)).sum(dim=3, keepdim=True) / x.shape[3]


def _hats() -> Tensor:
    """Weights of the knots in each band, (bands, knots, 1, 1): hat functions of frequency."""
    centres = (np.arange(_LOWEST, _FRAME) + 0.5) * 250 / _FRAME
    hats = np.stack([np.interp(centres, _KNOTS, row) for row in np.eye(len(_KNOTS))], axis=1)
    return torch.tensor(hats, dtype=torch.float32)[:, :, None, None]


def _factors(matrices: Tensor) -> Tensor:
    """Lower triangular factors of covariances (Cholesky), which give independent noise those covariances."""
    return torch.linalg.cholesky(matrices + 1e-5 * torch.eye(matrices.shape[-1], device=matrices.device))
