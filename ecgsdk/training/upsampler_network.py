"""The upsampler: an ECG at 100 Hz → the same at 500 Hz, in which what 100 Hz cannot tell is drawn.

It makes ECGs as PTB-XL's were made: at 400 Hz, in steps of 5 µV, brought to 500 Hz by cubic splines. Leads stand on the
last axis but one throughout, so that one small network serves all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.training.upsampler_grain import BANDS, BURSTS, FRAME, SOURCES, STATES, Drawn, Grain
from ecgsdk.training.upsampler_rates import DELAY, FACTOR, RECORDED_RATE, SPLINE_REACH, spline_kernels, stepped

if TYPE_CHECKING:
    from ecgsdk.training.config import TrainConfig

__all__ = ["LATENTS", "SHAPES", "Upsampler", "build_upsampler", "noise_shape"]

SHAPES = 12
"""Ways in which a record's beats depart from what is to be expected, all of them alike."""

LATENTS = 128
"""Numbers drawn for a whole record, twice."""

_LEADS = len(INDEPENDENT_LEADS)
_ROWS = BANDS * SOURCES + BURSTS * _LEADS + 1
_HIDDEN = 64
_TAPS = 25
_REACH = 2
_UNIT_MV = 0.1
_HUM_HZ = 150.0
_HUM_UNIT_MV = 0.01
_HUM_LOG = -3.0


class Upsampler(nn.Module):
    """8 leads at 100 Hz (mV) and noise → 8 leads at 500 Hz (mV).

    The sum of five, in steps: band-limited interpolation; what a convolutional network adds to it, the ECG to be
    expected; a record's own way, shapes with weights that are drawn once for all of its beats; the third harmonic of
    the mains; and grain, drawn at each moment.

    Attributes:
        drawn: makes of normal noise what is drawn for whole records.
        in_steps: whether the output has the recorder's steps. Not while a graph is compared: steps make much of
            differences in the last bit.
    """

    def __init__(self, width: int, blocks: int, grain_width: int) -> None:
        super().__init__()
        self.register_buffer("interpolation", _interpolation(), persistent=False)
        self.register_buffer("splines", spline_kernels(), persistent=False)
        self.stem = nn.Conv2d(2, width, (1, 9), padding=(0, 4))
        self.lead = nn.Parameter(torch.zeros(1, width, _LEADS, 1))
        self.between_leads = nn.Conv2d(width, width, 1)
        self.blocks = nn.ModuleList([_block(width) for _ in range(blocks)])
        self.head = nn.Parameter(torch.zeros(FACTOR, width, 1, 3))
        self.turns = nn.Parameter(torch.empty(SHAPES, width, 1, 1).uniform_(-(width**-0.5), width**-0.5))
        self.shapes = nn.Parameter(torch.empty(SHAPES, FACTOR, 2 * _REACH + 1).uniform_(-0.3, 0.3))
        self.grain = Grain(width, grain_width)
        self.sizes = (SHAPES * _LEADS, STATES * BANDS * _LEADS, BANDS * SOURCES, grain_width * _LEADS, 3 * _LEADS)
        self.hidden = nn.Linear(2 * LATENTS, _HIDDEN)
        self.drawn = nn.Linear(2 * LATENTS + _HIDDEN, sum(self.sizes))
        self.in_steps = True
        nn.init.normal_(self.drawn.weight, std=0.02)
        nn.init.zeros_(self.drawn.bias)
        with torch.no_grad():
            self.drawn.bias[-_LEADS:] = _HUM_LOG

    def forward(self, signals: Tensor, noise: Tensor) -> Tensor:
        """Signals (n, 8, samples), standard normal noise of `noise_shape`; (n, 8, 5 · samples)."""
        sampled = self.sampled(signals, noise)
        return self.at_500(stepped(sampled) if self.in_steps else sampled)

    def at_500(self, signals: Tensor) -> Tensor:
        """Any signals at 400 Hz, (n, 8, samples), by cubic splines at 500 Hz."""
        edged = F.pad(signals, (SPLINE_REACH, SPLINE_REACH), mode="replicate")
        return _interleaved(F.conv2d(edged[:, None], cast("Tensor", self.splines), stride=(1, 4)))

    def sampled(self, signals: Tensor, noise: Tensor) -> Tensor:
        """What a recorder would see at 400 Hz before it makes steps, (n, 8, 4 · samples).

        The last two columns of the noise are of the whole record.
        """
        features = self.features(signals)
        weights, hum, drawn = self.of_records(noise)
        both = F.conv2d(features, torch.cat([self._turning(), self.head]), padding=(0, 1))
        weights = F.pad(weights, (0, 0, 0, 0, 0, FACTOR), value=1.0)
        plain = F.pad(torch.eye(FACTOR, device=noise.device)[:, :, None, None], (_REACH, _REACH))
        kernels = torch.cat([self.shapes.transpose(0, 1)[:, :, None], plain], dim=1)
        added = F.conv2d(both * weights, kernels, padding=(0, _REACH))
        ecg = _interleaved(self._phases(signals) + _UNIT_MV * added)
        grain = self.grain(signals, features, noise[:, :, :-2], drawn)
        return ecg + grain + _hum(hum, grain.shape[-1])

    def of_records(self, noise: Tensor) -> tuple[Tensor, Tensor, Drawn]:
        """What is drawn for whole records: weights of shapes (n, shapes, 8, 1), hum (n, 24), and of the grain."""
        latents = noise[:, :LATENTS, -2:].transpose(1, 2).flatten(1)
        made = self.drawn(torch.cat([latents, F.relu(self.hidden(latents))], dim=1))
        weights, levels, sources, channels, hum = made.split(self.sizes, dim=1)
        drawn = Drawn(
            levels.unflatten(1, (STATES, BANDS, _LEADS))[..., None],
            sources.unflatten(1, (BANDS, 1, SOURCES)),
            channels.unflatten(1, (-1, _LEADS))[..., None],
        )
        return weights.unflatten(1, (SHAPES, _LEADS))[..., None], hum, drawn

    def features(self, signals: Tensor) -> Tensor:
        """What the network sees in signals, (n, width, 8, samples)."""
        slope = F.pad(signals[..., 1:] - signals[..., :-1], (1, 0))
        x = F.relu(self.stem(torch.stack([2 * signals, 10 * slope], dim=1)))
        x = x + (self.between_leads(x.mean(dim=2, keepdim=True)) + self.lead)
        for block in self.blocks:
            x = F.relu(x + block(x))
        return x

    def interpolated(self, signals: Tensor) -> Tensor:
        """Band-limited interpolation alone, at 400 Hz."""
        return _interleaved(self._phases(signals))

    def expected(self, signals: Tensor, features: Tensor) -> Tensor:
        """The ECG to be expected, without anything drawn, at 400 Hz."""
        return self.interpolated(signals) + _UNIT_MV * _interleaved(F.conv2d(features, self.head, padding=(0, 1)))

    def basis(self, features: Tensor) -> Tensor:
        """The shapes by themselves, (n, 8, shapes, 4 · samples)."""
        kernels = self.shapes.flatten(0, 1)[:, None, None]
        turned = F.conv2d(features, self._turning(), padding=(0, 1))
        phases = F.conv2d(turned, kernels, padding=(0, _REACH), groups=SHAPES)
        return _UNIT_MV * phases.unflatten(1, (SHAPES, FACTOR)).permute(0, 3, 1, 4, 2).flatten(3)

    def _phases(self, signals: Tensor) -> Tensor:
        edged = F.pad(signals, (_TAPS // 2, _TAPS // 2), mode="replicate")
        return F.conv2d(edged[:, None], cast("Tensor", self.interpolation))

    def _turning(self) -> Tensor:
        """Kernels of what shapes are made of, (shapes, width, 1, 3).

        They take differences, which are none where nothing changes: a constant would sound at 100 Hz and 200 Hz.
        """
        return torch.cat([torch.zeros_like(self.turns), -self.turns, self.turns], dim=3)


def build_upsampler(config: TrainConfig) -> Upsampler:
    """An untrained upsampler."""
    return Upsampler(config.upsampler_width, config.upsampler_blocks, config.upsampler_grain_width)


def noise_shape(samples: int) -> tuple[int, int]:
    """Shape of the noise for a record of so many samples at 100 Hz."""
    return _ROWS, samples * FACTOR // FRAME + 3


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, (1, 3), padding=(0, 1)), nn.ReLU(), nn.Conv2d(width, width, (1, 3), padding=(0, 1))
    )


def _hum(drawn: Tensor, samples: int) -> Tensor:
    """A line at 150 Hz in each lead, (n, 8, samples), of two normal numbers and the logarithm of their size a lead."""
    turns = torch.arange(samples, device=drawn.device) * (2 * math.pi * _HUM_HZ / RECORDED_RATE)
    parts = drawn[:, : 2 * _LEADS].unflatten(1, (_LEADS, 2)) * drawn[:, 2 * _LEADS :, None].exp()
    return _HUM_UNIT_MV * parts @ torch.stack([turns.cos(), turns.sin()])


def _interpolation() -> Tensor:
    """Kernels of the four phases at 400 Hz: a sinc under a Kaiser window, which moves the signal by the delay."""
    half = _TAPS // 2
    times = (np.arange(FACTOR)[:, None] - DELAY) / FACTOR - np.arange(-half, half + 1)
    window = np.i0(6 * np.sqrt(np.clip(1 - (times / (half + 1)) ** 2, 0, 1)))
    kernels = np.sinc(times) * window
    return torch.tensor(kernels / kernels.sum(axis=1, keepdims=True), dtype=torch.float32)[:, None, None]


def _interleaved(phases: Tensor) -> Tensor:
    """(n, phases, leads, samples) → (n, leads, samples · phases)."""
    leads, samples = int(phases.shape[2]), int(phases.shape[3] * phases.shape[1])  # else a graph leaves them open
    return phases.permute(0, 2, 3, 1).reshape(-1, leads, samples)
