"""The networks: encoder, decoder, flow and rhythm model. Shapes are (records, channels, time) throughout."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from ecgsdk.encoding import VARIATION

__all__ = ["LOG_WIDTHS", "TOKEN", "Decoder", "Encoder", "Flow", "Rhythm"]

TOKEN = 8
"""Samples for one time step of the latent signal."""

LOG_WIDTHS = (-4.0, 1.5)
"""Least and greatest logarithm of the standard deviation of a component of the rhythm model, over the RR variation."""


class ConvBlock(nn.Module):
    """Residual block of two convolutions with batch normalisation, which folds into them for inference."""

    def __init__(self, width: int, kernel: int = 5) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.body(x))


class BiLSTM(nn.Module):
    """Residual bidirectional LSTM over time: what ties the beats of a record together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lstm(x.transpose(1, 2))[0].transpose(1, 2)


class Encoder(nn.Module):
    """8 leads × samples (mV) → latent channels × samples / 8, each channel standardised over the training data."""

    def __init__(self, widths: tuple[int, int], latent_channels: int) -> None:
        super().__init__()
        narrow, wide = widths
        self.body = nn.Sequential(
            nn.Conv1d(8, narrow, 9, stride=4, padding=4),
            nn.SiLU(),
            ConvBlock(narrow),
            ConvBlock(narrow),
            nn.Conv1d(narrow, wide, 5, stride=2, padding=2),
            nn.SiLU(),
            ConvBlock(wide),
            ConvBlock(wide),
            BiLSTM(wide),
            nn.Conv1d(wide, latent_channels, 1),
        )
        self.standardise = nn.BatchNorm1d(latent_channels, affine=False)

    def forward(self, signals: Tensor) -> Tensor:
        return self.standardise(self.body(signals))


class Decoder(nn.Module):
    """Latent channels × tokens and noise (channels × 2 tokens) → 8 leads × 8 tokens, mV.

    The noise lets it draw what the latent signal cannot carry: muscle and mains noise, the grain of the recording.
    """

    def __init__(self, widths: tuple[int, int], latent_channels: int, blocks: int, noise_channels: int) -> None:
        super().__init__()
        narrow, wide = widths
        self.noise_channels = noise_channels
        self.coarse = nn.Sequential(
            nn.Conv1d(latent_channels, wide, 5, padding=2),
            nn.SiLU(),
            BiLSTM(wide),
            *[ConvBlock(wide) for _ in range(blocks)],
            nn.Conv1d(wide, 2 * narrow, 1),
        )
        self.noise = nn.Conv1d(noise_channels, narrow, 3, padding=1)
        self.fine = nn.Sequential(*[ConvBlock(narrow) for _ in range(blocks)], nn.Conv1d(narrow, 4 * 16, 3, padding=1))
        self.finest = nn.Sequential(nn.Conv1d(16, 24, 7, padding=3), nn.SiLU(), nn.Conv1d(24, 8, 7, padding=3))

        self.last = BandLimit()

    def forward(self, latents: Tensor, noise: Tensor) -> Tensor:
        x = unfold_time(self.coarse(latents), 2) + self.noise(noise)
        return self.last(self.finest(unfold_time(self.fine(x), 4)))


class BandLimit(nn.Module):
    """Removes what lies from 0.49 of the sampling rate on, where a decimated recording holds nothing.

    A linear-phase filter that is whole up to 0.46 of the sampling rate and half at 0.475; signals are taken to go on as
    they begin and end.
    """

    taps: Tensor

    def __init__(self, taps: int = 61) -> None:
        super().__init__()
        frequency = torch.linspace(0, 0.5, 5001, dtype=torch.float64)
        gain = (0.5 * (1 + torch.cos(math.pi * (frequency - 0.46) / 0.03))).where(frequency > 0.46, torch.ones(()))
        gain = gain.where(frequency < 0.49, torch.zeros(()))
        times = torch.arange(taps, dtype=torch.float64) - taps // 2
        response = (gain[:, None] * torch.cos(2 * math.pi * frequency[:, None] * times)).sum(dim=0)
        response = response * torch.kaiser_window(taps, periodic=False, beta=3.0, dtype=torch.float64)
        self.register_buffer("taps", (response / response.sum()).float()[None, None], persistent=False)

    def forward(self, signals: Tensor) -> Tensor:
        n, leads, samples = signals.shape
        half = self.taps.shape[-1] // 2
        flat = F.pad(signals.reshape(n * leads, 1, samples), (half, half), mode="replicate")
        return F.conv1d(flat, self.taps).reshape(n, leads, samples)


def unfold_time(x: Tensor, factor: int) -> Tensor:
    """(n, factor · c, t) → (n, c, factor · t): the channels of one step become consecutive steps."""
    n, channels, time = x.shape
    x = x.reshape(n, channels // factor, factor, time).transpose(2, 3)
    return x.reshape(n, channels // factor, time * factor)


class FlowBlock(nn.Module):
    """Residual block of two convolutions; the conditioning scales and shifts the inner normalised features."""

    def __init__(self, inputs: int, width: int, conditioning: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, inputs)
        self.conv1 = nn.Conv1d(inputs, width, 3, padding=1)
        self.film = nn.Linear(conditioning, 2 * width)
        self.norm2 = nn.GroupNorm(8, width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1)
        self.skip = nn.Conv1d(inputs, width, 1) if inputs != width else nn.Identity()
        _zero(self.conv2)

    def forward(self, x: Tensor, conditioning: Tensor) -> Tensor:
        scale, shift = self.film(conditioning)[:, :, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = F.silu(self.norm2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(self.dropout(h))


class Attention(nn.Module):
    """Residual self-attention over time."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        _zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        n, width, time = x.shape
        qkv = self.qkv(self.norm(x).transpose(1, 2)).reshape(n, time, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, time, width)
        return x + self.out(mixed).transpose(1, 2)


class Flow(nn.Module):
    """Velocity of the rectified flow: a 1-D U-Net over three time scales, with attention on the two coarser ones."""

    def __init__(
        self,
        widths: tuple[int, int, int],
        latent_channels: int,
        condition: int,
        beat_channels: int,
        dropout: float,
        depth: int = 2,
    ) -> None:
        super().__init__()
        w0, w1, w2 = widths
        c = 4 * w0
        self.time = nn.Sequential(nn.Linear(64, c), nn.SiLU(), nn.Linear(c, c))
        self.condition = nn.Sequential(nn.Linear(condition, c), nn.SiLU(), nn.Linear(c, c))

        def block(inputs: int, width: int) -> FlowBlock:
            return FlowBlock(inputs, width, c, dropout)

        def attended(inputs: int, width: int) -> list[nn.Module]:
            """Blocks with attention behind each, the first of which takes `inputs` channels."""
            blocks = [(block(inputs if k == 0 else width, width), Attention(width)) for k in range(depth)]
            return [layer for pair in blocks for layer in pair]

        self.stem = nn.Conv1d(latent_channels + beat_channels, w0, 3, padding=1)
        self.down0 = nn.ModuleList([block(w0, w0) for _ in range(depth)])
        self.half0 = nn.Conv1d(w0, w1, 3, stride=2, padding=1)
        self.down1 = nn.ModuleList(attended(w1, w1))
        self.half1 = nn.Conv1d(w1, w2, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([*attended(w2, w2), block(w2, w2)])
        self.twice1 = nn.Conv1d(w2, 2 * w1, 1)
        self.up1 = nn.ModuleList(attended(2 * w1, w1))
        self.twice0 = nn.Conv1d(w1, 2 * w0, 1)
        self.up0 = nn.ModuleList([block(2 * w0 if k == 0 else w0, w0) for k in range(depth)])
        self.head = nn.Sequential(nn.GroupNorm(8, w0), nn.SiLU(), nn.Conv1d(w0, latent_channels, 3, padding=1))

    def forward(self, latents: Tensor, time: Tensor, condition: Tensor, beats: Tensor) -> Tensor:
        c = F.silu(self.time(fourier_features(time)) + self.condition(condition))
        x0 = run(self.down0, self.stem(torch.cat([latents, beats], dim=1)), c)
        x1 = run(self.down1, self.half0(x0), c)
        x2 = run(self.middle, self.half1(x1), c)
        up = unfold_time(self.twice1(x2), 2)[:, :, : x1.shape[2]]
        up = run(self.up1, torch.cat([up, x1], dim=1), c)
        up = unfold_time(self.twice0(up), 2)[:, :, : x0.shape[2]]
        return self.head(run(self.up0, torch.cat([up, x0], dim=1), c))


def _zero(layer: nn.Module) -> None:
    """Weights that make a residual block begin as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def run(blocks: nn.ModuleList, x: Tensor, conditioning: Tensor) -> Tensor:
    """Blocks one after another; the conditioning goes to those that take it."""
    for block in blocks:
        x = block(x, conditioning) if isinstance(block, FlowBlock) else block(x)
    return x


def fourier_features(time: Tensor) -> Tensor:
    """Flow times in [0, 1], shape (n,), as 64 sines and cosines of geometric frequencies."""
    frequencies = torch.exp(torch.linspace(math.log(1.0), math.log(200.0), 32, device=time.device))
    angles = time[:, None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Rhythm(nn.Module):
    """Draws RR intervals one after another: each as a mixture of Gaussians given those before it.

    Drawn is log(RR / mean RR) over the RR variation that the condition ends in. So even and uneven rhythms are alike to
    the network, which would else hardly see the small steps of an even one.
    """

    def __init__(self, condition: int, width: int, mixtures: int) -> None:
        super().__init__()
        self.width, self.mixtures = width, mixtures
        self.condition = nn.Sequential(nn.Linear(condition, width), nn.SiLU(), nn.Linear(width, width))
        self.cell = nn.GRUCell(width + 2, width)
        self.out = nn.Linear(2 * width, 3 * mixtures)

    def start(self, condition: Tensor) -> Tensor:
        """State before the first interval."""
        return torch.tanh(self.condition(condition))

    @staticmethod
    def variation(condition: Tensor) -> Tensor:
        """RR variation by which what is drawn is multiplied, (n, 1)."""
        return VARIATION * condition[:, -1:].exp()

    def step(self, condition: Tensor, previous: Tensor, first: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        """Mixture (logits, means, log widths) of the next interval, and the state after the previous one.

        `previous` is what was drawn last, `first` 1 where there is none yet; both of shape (n, 1).
        """
        embedded = self.condition(condition)
        state = self.cell(torch.cat([embedded, previous, first], dim=1), state)
        logits, means, log_widths = self.out(torch.cat([state, embedded], dim=1)).chunk(3, dim=1)
        return logits, means, log_widths.clamp(*LOG_WIDTHS), state

    def mixtures_of(self, condition: Tensor, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Mixtures of all intervals of known records, as `step` gives them, in the order of packed sequences.

        `inputs` (n, intervals, 2) are `previous` and `first` of each, of which `lengths` (n,) say how many count.
        """
        embedded = self.condition(condition)
        repeated = embedded[:, None].expand(-1, inputs.shape[1], -1)
        packed = pack_padded_sequence(torch.cat([repeated, inputs], 2), lengths, batch_first=True, enforce_sorted=False)
        weights = [self.cell.weight_ih, self.cell.weight_hh, self.cell.bias_ih, self.cell.bias_hh]
        start = torch.tanh(embedded)[packed.sorted_indices][None]
        states, _ = torch.gru(packed.data, packed.batch_sizes, start, weights, True, 1, 0.0, self.training, False)
        logits, means, log_widths = self.out(torch.cat([states, packed.data[:, : self.width]], 1)).chunk(3, dim=1)
        return logits, means, log_widths.clamp(*LOG_WIDTHS)
