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
from ecgsdk.training.critics import beat_windows
from ecgsdk.training.cut import Cut
from ecgsdk.training.loop import Stage, fingerprint, load_average, load_stage, load_weights
from ecgsdk.training.noise_floor import NoiseFloor, build_noise_floor
from ecgsdk.training.transport import Moments, transport
from ecgsdk.training.tuned import build_tuned, decoded, last_tuned
from ecgsdk.usual_beats import AFTER, BEFORE, beats_given, impulse_trains, usual_beats

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = [
    "AveragedBeats",
    "Refiner",
    "averaged",
    "build_refiner",
    "finished_networks",
    "load_averages",
    "prepare_averages",
    "refiner_stage",
    "twins",
]

_LENGTH = BEFORE + AFTER
_RATE = 100
_BATCH = 128
_QRS = slice(20, 38)
_FARTHEST_S = 0.02
# Of each record's share in what is to be expected of a condition, and of averaged beats.
_CONDITION_RIDGE = 1e-4
_BEAT_RIDGE_MV = 0.003
_UNUSUAL = ("AFIB", "AFLT", "PACE", "1AVB", "LPR", "CLBBB", "CRBBB", "IVCD", "WPW")


class AveragedBeats(NamedTuple):
    """Averaged beats of training records and of their twins.

    Attributes:
        recorded: with R peaks aligned, (n, 8, 88) in mV without their means.
        made: at the beats that were asked for, likewise.
        enough: which records have three whole usual beats or more on both sides, (n,).
        source: `fingerprint` of the networks that made the twins.
    """

    recorded: Tensor
    made: Tensor
    enough: Tensor
    source: Tensor


class Refiner(nn.Module):
    """Takes a record's averaged beat, and adds its change at each of the usual beats.

    Averaged beats around what is to be expected of a condition are mapped by the optimal transport between two
    Gaussians, those of what is made and of what is recorded; what is to be expected is linear in the condition. What
    differs from beat to beat, early beats and noise stay as they are. Behind that, levels are as recorded (`floor`):
    the change adds at QRS complexes what levels before it made up for.

    Attributes:
        expected_made, expected_recorded: averaged beats by condition, (width + 1, 8 · 88), the last row for all.
        matrix: of what is apart from them.
        unusual: 1 for conditions whose beats go together otherwise, without P wave or with other conduction, (width,):
            theirs get what is to be expected alone.
    """

    expected_made: Tensor
    expected_recorded: Tensor
    matrix: Tensor
    unusual: Tensor

    def __init__(self, condition: int, samples: int) -> None:
        super().__init__()
        values = 8 * _LENGTH
        self.register_buffer("expected_made", torch.zeros(condition + 1, values))
        self.register_buffer("expected_recorded", torch.zeros(condition + 1, values))
        self.register_buffer("matrix", torch.eye(values))
        self.register_buffer("unusual", torch.zeros(condition))
        self.floor = NoiseFloor(samples)

    def forward(self, signals: Tensor, trains: Tensor, taper: Tensor, condition: Tensor) -> Tensor:
        """Signals as recorded ones are.

        Args:
            signals: (n, 8, samples) in mV at 100 Hz.
            trains: `impulse_trains` of the usual beats, (n, 2, samples).
            taper: `beat_taper` of them, (n, 88).
            condition: (n, width).
        """
        return self.floor(self.changed(signals, trains, taper, condition))

    def changed(self, signals: Tensor, trains: Tensor, taper: Tensor, condition: Tensor) -> Tensor:
        """The same with levels as they come."""
        beats = averaged(signals, trains[:, 0]).reshape(-1, 8 * _LENGTH)
        known = F.pad(condition, (0, 1), value=1.0)
        expected = known @ self.expected_made
        apart = beats - expected
        usual = 1 - (condition @ self.unusual).clamp(0, 1)[:, None]
        change = known @ self.expected_recorded - expected + usual * (apart @ self.matrix - apart)
        change = change.reshape(-1, 8, _LENGTH)
        return signals + (change * taper[:, None]) @ _laid_out(trains[:, 1])

    def learn(self, made: Tensor, recorded: Tensor, condition: Tensor) -> None:
        """Takes expectations and matrix from averaged beats, (n, 8, 88) in mV, and their conditions, (n, width)."""
        known = F.pad(condition, (0, 1), value=1.0).double()
        ridge = _CONDITION_RIDGE * len(known) * torch.eye(known.shape[1], device=known.device)
        covariances = []
        for values, expected in ((made, self.expected_made), (recorded, self.expected_recorded)):
            flat = values.flatten(1).double()
            weights = torch.linalg.solve(known.T @ known + ridge, known.T @ flat)
            apart = (flat - known @ weights)[condition @ self.unusual == 0]
            noise = _BEAT_RIDGE_MV**2 * torch.eye(flat.shape[1], device=flat.device)
            covariances.append(apart.T @ apart / len(apart) + noise)
            expected.copy_(weights)
        self.matrix.copy_(transport(*covariances))


def build_refiner(config: TrainConfig) -> Refiner:
    """One that changes nothing yet."""
    return Refiner(condition_width(config.statements), config.samples)


def refiner_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """The refiner from averaged beats, and levels behind it from what is made with it.

    Nothing is trained by gradients.

    Raises:
        TrainingError: the rate is not 100 Hz, or no record has three whole usual beats.
    """
    if config.sampling_rate != _RATE:
        raise TrainingError(f"the refined stage knows {_RATE} Hz only; set refiner_steps to 0")
    beats = load_averages(folder)
    chosen = beats.enough.to(device)
    refiner = build_refiner(config).to(device)
    refiner.unusual[[1 + config.statements.index(code) for code in _UNUSUAL if code in config.statements]] = 1
    if not (train.conditions[chosen] @ refiner.unusual == 0).any():
        raise TrainingError("the refined stage needs records of three usual beats or more; set refiner_steps to 0")
    refiner.learn(beats.made.to(device)[chosen], beats.recorded.to(device)[chosen], train.conditions[chosen])
    networks = finished_networks(config, folder).to(device).eval().requires_grad_(False)
    floor = refiner.floor
    floor.networks.copy_(beats.source)
    made, recorded = (Moments(len(floor.made)).to(device) for _ in range(2))

    @torch.no_grad()
    def step(number: int) -> dict[str, Tensor]:
        rows = torch.randint(len(train), (_BATCH,), device=device)
        signals, times = twins(networks, config, train, rows)
        trains, taper = (_on(array, device) for array in beats_given(times.cpu().numpy(), config.samples))
        made.observe(floor.levels(refiner.changed(signals, trains, taper, train.conditions[rows])))
        recorded.observe(floor.levels(train.millivolts(rows)))
        if number + 1 == config.refiner_steps:
            floor.take(made, recorded)
        return {"spread": made.spread(), "spread_recorded": recorded.spread()}

    parts = {"refiner": refiner, "made": made, "recorded": recorded}
    return Stage("refined", config, parts, {}, config.refiner_steps, step)


def twins(networks: nn.ModuleDict, config: TrainConfig, train: TrainingData, rows: Tensor) -> tuple[Tensor, Tensor]:
    """ECGs of some training records' conditions and beats before the refiner, (n, 8, samples) in mV, and the beats."""
    signals, offset, times = decoded(networks, config, train, rows)
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
    parts: list[list[Tensor]] = []
    torch.manual_seed(config.seed)
    with torch.no_grad():
        for first in tqdm(range(0, len(train), _BATCH), desc="averages", disable=quiet):
            rows = torch.arange(first, min(first + _BATCH, len(train)), device=device)
            signals, times = twins(networks, config, train, rows)
            asked = impulse_trains(usual_beats(times.cpu().numpy()), config.samples)
            recorded, detected = train.millivolts(rows), usual_beats(train.times[rows].cpu().numpy())
            aligned = impulse_trains(_aligned(recorded, _on(detected, device)).cpu().numpy(), config.samples)
            made = averaged(signals, _on(asked[:, 0], device))
            real = averaged(recorded, _on(aligned[:, 0], device))
            enough = torch.from_numpy((asked[:, 0].any(axis=1)) & aligned[:, 0].any(axis=1))
            parts.append([real.cpu(), made.cpu(), enough])
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
    """Impulses (n, samples) moved to each sample of a beat, (n, 88, samples)."""
    samples = int(train.shape[1])  # a fixed number in a graph
    padded = F.pad(train, (AFTER, BEFORE + 2))
    length = samples + _LENGTH + 2
    # Rows one sample shorter than what is repeated: each begins one sample earlier in it.
    repeated = padded[:, None].expand(-1, _LENGTH, -1).reshape(-1, _LENGTH * length)
    rows = repeated[:, : _LENGTH * (length - 1)].reshape(-1, _LENGTH, length - 1)
    return rows[:, :, _LENGTH : _LENGTH + samples]


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
