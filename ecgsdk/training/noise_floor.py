"""The fine part of decoded ECGs, given levels that differ between records and leads as they do in recordings.

Recordings differ in nothing that is faint as much as in the power that they have above 10 Hz between QRS complexes: one
electrode is noisy, the next is not. A decoder has learned the mean of that, and about half of the spread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.errors import TrainingError
from ecgsdk.training.cut import SPARE, Cut
from ecgsdk.training.frames import filtered, framed, unframed
from ecgsdk.training.loop import Stage, fingerprint, load_average, load_stage
from ecgsdk.training.networks import TOKEN
from ecgsdk.training.transport import Moments, transport
from ecgsdk.training.tuned import build_tuned, decoded, last_tuned

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["NoiseFloor", "build_noise_floor", "noise_floor_stage"]

_RATE = 100
# Bands begin where P and T waves have little left; each is half as loud at its edge.
_CUTOFFS_HZ = (8.0, 14.0, 22.0, 31.0, 40.0)
_TAPS = 33
# Shares of a record's frames below a level, and how far around a share frames count for it.
_SHARES = (0.08, 0.3, 0.55, 0.8, 0.96)
_AROUND = 0.06
# Frames at either end that tell nothing, and every how many of the others are looked at: sorting takes time.
_EDGE_FRAMES = 2
_EVERY_FRAMES = 2
# Of band power, so that its logarithm stays finite: near what rounding to 1 µV makes.
_LEAST_MV2 = 2e-7
# Logarithm of the greatest gain of amplitudes, and the least distance of two levels.
_MOST_LOG_GAIN = 2.5
_LEAST_RISE = 0.02
_BATCH = 128
# Batches from which the ends of records are learned.
_ENDS = 24


def noise_floor_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """Means and covariances of levels, of training records and of what the tuned networks make of their conditions.

    Nothing is trained by gradients: the last step takes the map from the moments, and then the ends of records from
    what is made with it.

    Raises:
        TrainingError: the rate is not 100 Hz, for which the bands are made.
    """
    if config.sampling_rate != _RATE:
        raise TrainingError(f"the noise_floor stage knows {_RATE} Hz only; set noise_floor_steps to 0")
    networks = build_tuned(config)
    stage = last_tuned(folder)
    load_average(networks, load_stage(folder, stage), stage)
    networks.to(device).eval().requires_grad_(False)
    floor = build_noise_floor(config).to(device)
    floor.networks.copy_(fingerprint(networks))
    made, recorded = (Moments(len(floor.made)).to(device) for _ in range(2))
    cut = Cut(config.samples).to(device)

    def drawn() -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.randint(len(train), (_BATCH,), device=device)
        signals, offset, _ = decoded(networks, config, train, rows)
        return signals, offset, train.millivolts(rows)

    @torch.no_grad()
    def step(number: int) -> dict[str, Tensor]:
        signals, _, records = drawn()
        made.observe(floor.levels(signals))
        recorded.observe(floor.levels(records))
        if number + 1 == config.noise_floor_steps:
            floor.take(made, recorded)
            ends = [
                (cut.between(floor(signals), offset), records)
                for signals, offset, records in (drawn() for _ in range(_ENDS))
            ]
            ours, theirs = (torch.cat(part) for part in zip(*ends))
            cut.learn_ends(theirs, ours)
        return {"spread": made.spread(), "spread_recorded": recorded.spread()}

    parts = {"floor": floor, "cut": cut, "made": made, "recorded": recorded}
    return Stage("noise_floor", config, parts, {}, config.noise_floor_steps, step)


def build_noise_floor(config: TrainConfig) -> NoiseFloor:
    """One that changes nothing yet."""
    return NoiseFloor(config.samples + SPARE * TOKEN)


class NoiseFloor(nn.Module):
    """Changes how loud bands above 8 Hz are, from frame to frame of 80 ms, so that records' levels are as recorded.

    A level is the logarithm of a band's smoothed power in one lead that a share of the frames stays below: quiet
    frames (8 %) to QRS complexes (96 %). A record's 8 · 5 · 5 levels are mapped together, by the optimal transport
    between two Gaussians, those of decoded and of recorded ECGs; each frame's gain is interpolated between the changes
    of its record's levels.

    Attributes:
        networks: `fingerprint` of those whose ECGs the map was taken from.
    """

    networks: Tensor
    made: Tensor
    recorded: Tensor
    matrix: Tensor
    kernel: Tensor
    ramps: Tensor
    shares: Tensor
    smoothing: Tensor
    rises: Tensor

    def __init__(self, samples: int, leads: int = 8) -> None:
        super().__init__()
        self.leads, self.bands = leads, len(_CUTOFFS_HZ)
        levels = leads * self.bands * len(_SHARES)
        self.register_buffer("networks", torch.zeros(32, dtype=torch.uint8))
        self.register_buffer("made", torch.zeros(levels))
        self.register_buffer("recorded", torch.zeros(levels))
        self.register_buffer("matrix", torch.eye(levels))
        self.register_buffer("kernel", framed(_filters()), persistent=False)
        self.register_buffer("ramps", _ramps(), persistent=False)
        # Differences of neighbouring levels, as a product: the exporter knows no `diff`.
        self.register_buffer("rises", torch.eye(len(_SHARES)).diff(dim=0).T.contiguous(), persistent=False)
        self.register_buffer("smoothing", torch.tensor([[[0.25, 0.5, 0.25]]]), persistent=False)
        seen = len(range(samples // TOKEN)[_EDGE_FRAMES:-_EDGE_FRAMES:_EVERY_FRAMES])
        self.register_buffer("shares", _share_weights(seen), persistent=False)

    def forward(self, signals: Tensor) -> Tensor:
        """Signals (n, leads, samples) in mV at 100 Hz, samples a multiple of 8, with other levels."""
        samples = int(signals.shape[-1])  # a fixed number in a graph
        bands = filtered(signals, self.kernel)
        loudness = self._loudness(bands)
        levels = self._levels(loudness)
        wanted = self.recorded + (levels.flatten(1) - self.made) @ self.matrix.T
        # Half of a power's logarithm is that of the amplitude.
        change = (wanted.reshape(-1, self.leads * self.bands, len(_SHARES)) - levels) / 2
        change = change.clamp(-_MOST_LOG_GAIN, _MOST_LOG_GAIN)
        added = self._between(self._interpolated(loudness, levels, change).exp() - 1)
        fine = (added * bands).reshape(-1, self.leads, self.bands, TOKEN, samples // TOKEN).sum(2)
        return signals + unframed(fine)

    def take(self, made: Moments, recorded: Moments) -> None:
        """Takes the map from the moments of levels."""
        self.made.copy_(made.mean())
        self.recorded.copy_(recorded.mean())
        self.matrix.copy_(transport(made.covariance(), recorded.covariance()))

    def levels(self, signals: Tensor) -> Tensor:
        """The levels of each record, (n, leads · bands · shares)."""
        return self._levels(self._loudness(filtered(signals, self.kernel))).flatten(1)

    def _loudness(self, bands: Tensor) -> Tensor:
        """Logarithm of each band's power, smoothed over three frames, (n, leads · bands, frames)."""
        power = bands.square().mean(2)
        frames = int(power.shape[-1])
        smooth = F.conv1d(power.reshape(-1, 1, frames), self.smoothing, padding=1)
        return (smooth.reshape(-1, self.leads * self.bands, frames) + _LEAST_MV2).log()

    def _levels(self, loudness: Tensor) -> Tensor:
        """(n, leads · bands, frames) → (n, leads · bands, shares); signals of another length have other shares."""
        inner = loudness[..., _EDGE_FRAMES:-_EDGE_FRAMES:_EVERY_FRAMES]
        seen = int(inner.shape[-1])
        return inner.sort(dim=-1).values @ (self.shares if len(self.shares) == seen else _share_weights(seen).to(inner))

    def _interpolated(self, loudness: Tensor, levels: Tensor, change: Tensor) -> Tensor:
        """The change at each frame's loudness, linear between levels and constant beyond the outer ones."""
        width = (levels @ self.rises).clamp_min(_LEAST_RISE)
        share = ((loudness[:, :, None] - levels[..., :-1, None]) / width[..., None]).clamp(0, 1)
        return change[..., :1] + (share * (change @ self.rises)[..., None]).sum(2)

    def _between(self, values: Tensor) -> Tensor:
        """Frames' values (n, channels, frames) at each sample, linear between their middles, towards 0 beyond."""
        channels, frames = map(int, values.shape[1:])
        ramped = F.conv1d(values.reshape(-1, 1, frames), self.ramps, padding=1)
        return ramped.reshape(-1, channels, TOKEN, frames)


def _filters() -> Tensor:
    """Differences of windowed-sinc low-passes, and what is left above the last of them, (bands, taps)."""
    times = torch.arange(_TAPS, dtype=torch.float64) - _TAPS // 2
    window = torch.kaiser_window(_TAPS, periodic=False, beta=5.0, dtype=torch.float64)
    low = torch.stack([torch.sinc(2 * hertz / _RATE * times) * window for hertz in _CUTOFFS_HZ])
    whole = F.one_hot(torch.tensor([_TAPS // 2]), _TAPS).double()
    return torch.cat([low / low.sum(dim=1, keepdim=True), whole]).diff(dim=0)


def _ramps() -> Tensor:
    """What a frame's samples take of the frame before, their own and the next, (8, 1, 3)."""
    place = (torch.arange(TOKEN) + 0.5) / TOKEN - 0.5
    return torch.stack([(-place).clamp_min(0), 1 - place.abs(), place.clamp_min(0)], dim=1)[:, None]


def _share_weights(frames: int) -> Tensor:
    """What each of so many sorted frames counts in a level, (frames, shares): those within 6 % of the share."""
    weights = torch.zeros(frames, len(_SHARES))
    for k, share in enumerate(_SHARES):
        chosen = slice(max(0, int((share - _AROUND) * frames)), int((share + _AROUND) * frames) + 1)
        weights[chosen, k] = 1 / len(weights[chosen])
    return weights
