"""Averaged beats of training records and of their twins, and how far beats are from them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from ecgsdk.errors import TrainingError
from ecgsdk.training.critics import beat_windows
from ecgsdk.training.cut import Cut
from ecgsdk.training.loop import fingerprint, load_average, load_stage, load_weights
from ecgsdk.training.noise_floor import NoiseFloor, build_noise_floor
from ecgsdk.training.scatter import Scatter, averages, scatter_levels
from ecgsdk.training.tuned import build_tuned, decoded, last_tuned
from ecgsdk.usual_beats import impulse_trains, usual_beats

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = [
    "AveragedBeats",
    "finished_networks",
    "load_averages",
    "prepare_averages",
    "twins",
]

_RATE = 100
_BATCH = 128
# How many twins each record has: their conditions are the same, their noise is not.
_TWINS = 3
_QRS = slice(20, 38)
_FARTHEST_S = 0.02


class AveragedBeats(NamedTuple):
    """Averaged beats of training records and of their twins, and `scatter_levels` around them.

    Attributes:
        recorded: with R peaks aligned, (n, 8, 88) in mV without their means.
        scatter: of the same beats, (n, 8, 22).
        made, made_scatter: at the beats that were asked for, of three twins of each record, (3, n, …), likewise.
        enough: which records have three whole usual beats or more on all sides, (n,).
        source: `fingerprint` of the networks that made the twins.
    """

    recorded: Tensor
    scatter: Tensor
    made: Tensor
    made_scatter: Tensor
    enough: Tensor
    source: Tensor


def twins(
    networks: nn.ModuleDict, config: TrainConfig, train: TrainingData, rows: Tensor, drawn: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """ECGs of some training records' conditions and beats before the refiner, (n, 8, samples) in mV, and the beats.

    Args:
        drawn: other beats than the records' own, as `decoded` takes them.
    """
    signals, offset, times = decoded(networks, config, train, rows, drawn)
    return cast("Cut", networks["ends"])(cast("NoiseFloor", networks["floor"])(signals), offset), times


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
    scatter = Scatter(train.conditions.shape[1]).to(device)
    parts: list[tuple[Tensor, ...]] = []
    torch.manual_seed(config.seed)
    with torch.no_grad():
        for first in tqdm(range(0, len(train), _BATCH), desc="averages", disable=quiet):
            rows = torch.arange(first, min(first + _BATCH, len(train)), device=device)
            recorded, conditions = train.millivolts(rows), train.conditions[rows]
            detected = _usual(train.times[rows], conditions, config)
            seen = [_averages(recorded, scatter, _aligned(recorded, detected.to(device)))]
            for _ in range(_TWINS):
                signals, times = twins(networks, config, train, rows)
                seen.append(_averages(signals, scatter, _usual(times, conditions, config)))
            beats, levels, enough = map(torch.stack, zip(*seen))
            parts.append((beats[0], levels[0], beats[1:], levels[1:], enough.all(dim=0)))
    real, real_levels, made, made_levels, whole = zip(*parts)
    merged = AveragedBeats(
        recorded=torch.cat(real),
        scatter=torch.cat(real_levels),
        made=torch.cat(made, dim=1),
        made_scatter=torch.cat(made_levels, dim=1),
        enough=torch.cat(whole),
        source=source,
    )
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, **{name: values.numpy() for name, values in merged._asdict().items()})
    part.replace(path)


def _usual(times: Tensor, conditions: Tensor, config: TrainConfig) -> Tensor:
    """Usual beats on the CPU, in seconds, (n, beats)."""
    return torch.from_numpy(usual_beats(times.cpu().numpy(), conditions.cpu().numpy(), config.statements))


def _averages(signals: Tensor, scatter: Scatter, beats: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """On the CPU averaged beats, (n, 8, 88), `scatter_levels`, and which records have enough beats for them, (n,)."""
    times = beats.cpu().numpy()
    train = torch.from_numpy(impulse_trains(times, times, times, int(signals.shape[-1]))[:, 0]).to(signals.device)
    averaged, mean, power = averages(signals, scatter.waves(signals), train)
    return averaged.cpu(), scatter_levels(mean, power).cpu(), train.any(dim=1).cpu()


def load_averages(folder: Path) -> AveragedBeats:
    """A run's averaged beats; raises TrainingError when they are missing or damaged."""
    path = averages_file(folder)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return AveragedBeats(*(torch.from_numpy(stored[name]) for name in AveragedBeats._fields))
    except KeyError:
        raise TrainingError(f"{path} is of an earlier version; delete it and run the stage again") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
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
