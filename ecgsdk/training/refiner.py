"""Averaged beats as recorded: what is the same in all usual beats of a record is changed, and nothing else."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.encoding import condition_width
from ecgsdk.errors import TrainingError
from ecgsdk.training.autoencoder import jittered
from ecgsdk.training.critics import beat_windows
from ecgsdk.training.cut import Cut
from ecgsdk.training.loop import Ema, Stage, descend, fingerprint, load_average, load_stage, load_weights
from ecgsdk.training.losses import discriminator_loss
from ecgsdk.training.noise_floor import build_noise_floor
from ecgsdk.training.tuned import build_tuned, decoded, last_tuned
from ecgsdk.usual_beats import AFTER, BEFORE, impulse_trains, usual_beats

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData
    from ecgsdk.training.noise_floor import NoiseFloor

__all__ = [
    "AveragedBeatCritic",
    "AveragedBeats",
    "Refiner",
    "averaged",
    "build_refiner",
    "finished_networks",
    "load_averages",
    "prepare_averages",
    "refiner_stage",
]

_LENGTH = BEFORE + AFTER
_TAPER = 12
_PLACES = 16
_HIDDEN = 96
_CRITIC_ALONE = 100
_SEEN_NOISE_MV = 0.002
_UNIT_MV = 0.01
_RATE = 100
_BATCH = 128
_QRS = slice(20, 38)
_FARTHEST_S = 0.02
_norm = nn.utils.parametrizations.weight_norm


class AveragedBeats(NamedTuple):
    """Averaged beats of training records and of their twins, (n, 8, 88) in mV without their means.

    Attributes:
        recorded: with R peaks aligned.
        made: at the beats that were asked for.
        overlap: what a beat that is laid out adds to the averaged beat, by lag from −87 to 87 samples, (n, 175).
        enough: which records have three whole usual beats or more on both sides, (n,).
        source: `fingerprint` of the networks that made the twins.
    """

    recorded: Tensor
    made: Tensor
    overlap: Tensor
    enough: Tensor
    source: Tensor


class Refiner(nn.Module):
    """Takes a record's averaged beat, and adds a change of it at each of the usual beats.

    The averaged beat is changed by residual convolutions that know what was asked for; the change ends in nothing 0.4
    s before and 0.48 s behind the R peak. What differs from beat to beat, early beats and noise stay as they are.
    """

    taper: Tensor
    places: Tensor

    def __init__(self, condition: int, width: int = 40, blocks: int = 3) -> None:
        super().__init__()
        self.place = nn.Parameter(0.5 * torch.randn(1, _PLACES, _LENGTH))
        self.first = nn.Conv1d(8 + 8 + _PLACES, width, 7, padding=3)
        self.condition = nn.Sequential(nn.Linear(condition, _HIDDEN), nn.SiLU())
        self.films = nn.ModuleList(nn.Linear(_HIDDEN, 2 * width) for _ in range(blocks))
        self.inner = nn.ModuleList(nn.Conv1d(width, width, 7, padding=3) for _ in range(blocks))
        self.outer = nn.ModuleList(nn.Conv1d(width, width, 7, padding=3) for _ in range(blocks))
        self.last = nn.Conv1d(width, 8, 7, padding=3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast("Tensor", self.last.bias))
        ramp = torch.hann_window(2 * _TAPER, periodic=False)[:_TAPER]
        taper = torch.cat([ramp, torch.ones(_LENGTH - 2 * _TAPER), ramp.flip(0)])
        self.register_buffer("taper", taper, persistent=False)

    def forward(self, signals: Tensor, trains: Tensor, condition: Tensor) -> Tensor:
        """Signals (n, 8, samples) in mV, `impulse_trains` (n, 2, samples), conditions (n, width) → signals."""
        change = self.change(averaged(signals, trains[:, 0]), condition)
        return signals + change @ _laid_out(trains[:, 1])

    def change(self, beats: Tensor, condition: Tensor) -> Tensor:
        """The change of averaged beats, (n, 8, 88) in mV."""
        curvature = F.pad(beats[..., 2:] - 2 * beats[..., 1:-1] + beats[..., :-2], (1, 1))
        place = self.place.expand(beats.shape[0], -1, -1)
        x = self.first(torch.cat([2 * beats, 10 * curvature, place], dim=1))
        known = self.condition(condition)
        for film, inner, outer in zip(self.films, self.inner, self.outer):
            scale, offset = film(known)[:, :, None].chunk(2, dim=1)
            x = x + outer(F.silu(inner(F.silu(x * (1 + scale) + offset))))
        return 0.1 * self.last(F.silu(x)) * self.taper


class AveragedBeatCritic(nn.Module):
    """Told to tell generated from recorded averaged beats, given what was asked for (also by projection)."""

    def __init__(self, condition: int, width: int = 56) -> None:
        super().__init__()
        convolutions = [
            _norm(nn.Conv1d(32, width, 7, stride=2, padding=3)),
            _norm(nn.Conv1d(width, width, 5, padding=2)),
            _norm(nn.Conv1d(width, 2 * width, 5, stride=2, padding=2)),
            _norm(nn.Conv1d(2 * width, 2 * width, 5, stride=2, padding=2)),
        ]
        self.layers = nn.ModuleList(convolutions)
        self.first = _norm(nn.Linear(2 * width * _LENGTH // 8 + condition, 4 * width))
        self.second = _norm(nn.Linear(4 * width, 2 * width))
        self.verdict = _norm(nn.Linear(2 * width, 1))
        self.condition = nn.Linear(condition, 2 * width)

    def forward(self, beats: Tensor, condition: Tensor) -> list[list[Tensor]]:
        slope = F.pad(beats.diff(dim=-1), (1, 0))
        curvature = F.pad(slope.diff(dim=-1), (1, 0))
        faint = [4 * beats.clamp(-0.25, 0.25), 5 * slope.clamp(-0.1, 0.1), 10 * curvature.clamp(-0.1, 0.1)]
        x = torch.cat([beats, *faint], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        x = F.leaky_relu(self.first(torch.cat([x.flatten(1), condition], dim=1)), 0.2)
        x = F.leaky_relu(self.second(x), 0.2)
        return [[self.verdict(x) + (x * self.condition(condition)).mean(dim=1, keepdim=True)]]


def build_refiner(config: TrainConfig) -> Refiner:
    """One that changes nothing yet."""
    return Refiner(condition_width(config.statements), config.refiner_width, config.refiner_blocks)


def refiner_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """The refiner against a critic of averaged beats; all that makes the ECGs before it stays as it is.

    A change costs its power, so that beats move no further than they must.

    Raises:
        TrainingError: the rate is not 100 Hz, or no record has three whole usual beats.
    """
    if config.sampling_rate != _RATE:
        raise TrainingError(f"the refined stage knows {_RATE} Hz only; set refiner_steps to 0")
    beats = AveragedBeats(*(x.to(device) for x in load_averages(folder)))
    if not beats.enough.any():
        raise TrainingError("the refined stage needs records of three usual beats or more; set refiner_steps to 0")
    weights = train.weights * beats.enough
    refiner = build_refiner(config).to(device)
    ema = Ema(refiner, config.refiner_ema).to(device)
    critic = AveragedBeatCritic(condition_width(config.statements)).to(device)
    optimizers = {
        "main": torch.optim.AdamW(refiner.parameters(), lr=config.refiner_rate, betas=(0.5, 0.99)),
        "critic": torch.optim.AdamW(critic.parameters(), lr=2 * config.refiner_rate, betas=(0.5, 0.99)),
    }
    lags = torch.arange(_LENGTH, device=device) - torch.arange(_LENGTH, device=device)[:, None] + _LENGTH - 1

    def seen(averages: Tensor) -> Tensor:
        return averages + _SEEN_NOISE_MV * torch.randn_like(averages)

    def step(number: int) -> dict[str, Tensor]:
        rows = torch.multinomial(weights, config.refiner_batch, True)
        condition = train.conditions[rows]
        real = seen(jittered(beats.recorded[rows], config))
        change = refiner.change(beats.made[rows], condition)
        made = seen(beats.made[rows] + change @ beats.overlap[rows][:, lags])
        told = discriminator_loss(critic(real, condition), critic(made.detach(), condition))
        descend(optimizers["critic"], critic.parameters(), told)
        figures = {"critic": told}
        if number >= min(_CRITIC_ALONE, config.refiner_steps // 2):
            moved = (change / _UNIT_MV).square().mean()
            passing = -critic(made, condition)[0][-1].mean()
            descend(optimizers["main"], refiner.parameters(), config.refiner_hold * moved + passing)
            ema.update(refiner, number)
            figures |= {"moved": moved, "passing": passing}
        return {name: value.detach() for name, value in figures.items()}

    networks = {"refiner": refiner, "average": ema, "critic": critic, "source": Source(beats.source)}
    return Stage("refined", config, networks, optimizers, config.refiner_steps, step)


class Source(nn.Module):
    """Keeps in a checkpoint from whose ECGs the refiner has learned: their `fingerprint`."""

    networks: Tensor

    def __init__(self, networks: Tensor) -> None:
        super().__init__()
        self.register_buffer("networks", networks)


def averages_file(folder: Path) -> Path:
    """Where a run keeps its averaged beats."""
    return folder / "averages.npz"


def prepare_averages(
    config: TrainConfig, folder: Path, train: TrainingData, device: torch.device, *, quiet: bool = True
) -> None:
    """Writes averaged beats of all training records and of their twins, if those of these networks are not there."""
    from tqdm import tqdm

    networks = finished_networks(config, folder)
    source, path = fingerprint(networks), averages_file(folder)
    if path.exists() and torch.equal(load_averages(folder).source, source):
        return
    networks.to(device).eval().requires_grad_(False)
    floor, cut = cast("NoiseFloor", networks["floor"]), cast("Cut", networks["ends"])
    parts: list[list[Tensor]] = []
    torch.manual_seed(config.seed)
    with torch.no_grad():
        for first in tqdm(range(0, len(train), _BATCH), desc="averages", disable=quiet):
            rows = torch.arange(first, min(first + _BATCH, len(train)), device=device)
            times = usual_beats(train.times[rows].cpu().numpy())
            signals, offset = decoded(networks, config, train, rows)
            asked, recorded = impulse_trains(times, config.samples), train.millivolts(rows)
            aligned = impulse_trains(_aligned(recorded, _on(times, device)).cpu().numpy(), config.samples)
            made = averaged(cut(floor(signals), offset), _on(asked[:, 0], device))
            real = averaged(recorded, _on(aligned[:, 0], device))
            enough = torch.from_numpy((asked[:, 0].any(axis=1)) & aligned[:, 0].any(axis=1))
            parts.append([real.cpu(), made.cpu(), _overlap(torch.from_numpy(asked)), enough])
    merged = dict(zip(AveragedBeats._fields, [torch.cat(each).numpy() for each in zip(*parts)]))
    merged["source"] = source.numpy()
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, **merged)  # type: ignore[arg-type]
    part.replace(path)


def load_averages(folder: Path) -> AveragedBeats:
    """A run's averaged beats; raises TrainingError when they are missing or damaged."""
    path = averages_file(folder)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return AveragedBeats(*(torch.from_numpy(stored[name]) for name in AveragedBeats._fields))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is missing or damaged ({error}); delete it and run the stage again") from None


def finished_networks(config: TrainConfig, folder: Path) -> nn.ModuleDict:
    """All that a run's ECGs are made with but the refiner: tuned networks, `floor`, and `ends` that cuts."""
    networks = build_tuned(config)
    last = last_tuned(folder)
    load_average(networks, load_stage(folder, last), last)
    stored = load_stage(folder, "noise_floor")["networks"]
    networks["floor"], networks["ends"] = build_noise_floor(config), Cut(config.samples)
    load_weights(networks["floor"], stored["floor"], "noise_floor")
    load_weights(networks["ends"], stored["cut"], "noise_floor")
    return networks


def averaged(signals: Tensor, train: Tensor) -> Tensor:
    """The averaged beat of each record, (n, 8, 88) in mV without its mean.

    Args:
        signals: (n, 8, samples) in mV.
        train: impulses at its beats over their number, (n, samples).
    """
    beats = signals @ _laid_out(train).transpose(1, 2)
    return beats - beats.mean(dim=2, keepdim=True)


def _laid_out(train: Tensor) -> Tensor:
    """Impulses moved to each sample of a beat, (n, 88, samples)."""
    samples = int(train.shape[1])  # a fixed number in a graph
    places = torch.arange(samples) - torch.arange(_LENGTH)[:, None] + _LENGTH
    padded = F.pad(train, (AFTER, BEFORE))
    return padded.index_select(1, places.flatten().to(train.device)).reshape(-1, _LENGTH, samples)


def _overlap(trains: Tensor) -> Tensor:
    """Correlation of the two impulse trains (n, 2, samples) at lags from −87 to 87, (n, 175)."""
    length = trains.shape[2] + 2 * _LENGTH
    mean, every = torch.fft.rfft(trains, n=length).unbind(1)
    correlation = torch.fft.irfft(every * mean.conj(), n=length)
    return torch.cat([correlation[:, 1 - _LENGTH :], correlation[:, :_LENGTH]], dim=1)


def _aligned(signals: Tensor, times: Tensor) -> Tensor:
    """Beat times moved so that each QRS complex lies on the average of all, by two steps of Gauss and Newton."""
    for _ in range(2):
        windows, whole = beat_windows(signals, times)
        share = whole / whole.sum(1, keepdim=True).clamp_min(1)
        mean = (windows * share[:, :, None, None]).sum(1)
        slope = torch.gradient(mean, dim=2)[0][..., _QRS]
        apart = ((windows - mean[:, None])[..., _QRS] * slope[:, None]).sum((2, 3))
        steps = -apart / slope.square().sum((1, 2)).clamp_min(1e-6)[:, None]
        times = times + (steps * whole / _RATE).clamp(-_FARTHEST_S, _FARTHEST_S)
    return times


def _on(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)
