"""Averaged beats as recorded: what is the same in all usual beats of a record; behind them levels and baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.encoding import condition_width
from ecgsdk.errors import TrainingError
from ecgsdk.training.averages import LENGTH, averaged, finished_networks, laid_out, load_averages, twins
from ecgsdk.training.beat_flow import BeatFlow, build_beat_flow, load_beat_flow, unusual_columns
from ecgsdk.training.loop import Stage, fingerprint, load_stage, load_weights
from ecgsdk.training.noise_floor import NoiseFloor
from ecgsdk.training.transport import Moments, transport
from ecgsdk.training.wander import Wander
from ecgsdk.usual_beats import beats_given

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.averages import AveragedBeats
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["Refiner", "beats_to_change", "build_refiner", "load_refiner", "refiner_stage"]

_BATCH = 128
# Of each record's share in what is to be expected of a condition, and of averaged beats.
_CONDITION_RIDGE = 1e-4
_BEAT_RIDGE_MV = 0.003


class Refiner(nn.Module):
    """Takes a record's averaged beat, and adds its change at each beat of that form.

    First the averaged beat goes the way of `flow`. Then what is apart from the beat to be expected of a condition is
    mapped by the optimal transport between two Gaussians, those of what is made and of what is recorded; what is to be
    expected is linear in the condition. Unusual conditions get what is to be expected alone. What differs from beat to
    beat and noise stay as they are. Behind that, levels are as recorded (`floor`): the change adds at QRS complexes
    what levels before it made up for. So are baselines (`wander`).

    Attributes:
        expected_made, expected_recorded: averaged beats by condition, (width + 1, 8 · 88), the last row for all.
        matrix: of what is apart from them, both behind `flow`.
        unusual: `unusual_columns`, (width,).
    """

    expected_made: Tensor
    expected_recorded: Tensor
    matrix: Tensor
    unusual: Tensor

    def __init__(self, flow: BeatFlow, condition: int, samples: int) -> None:
        super().__init__()
        self.flow = flow
        values = 8 * LENGTH
        self.register_buffer("expected_made", torch.zeros(condition + 1, values))
        self.register_buffer("expected_recorded", torch.zeros(condition + 1, values))
        self.register_buffer("matrix", torch.eye(values))
        self.register_buffer("unusual", torch.zeros(condition))
        self.floor = NoiseFloor(samples)
        self.wander = Wander(samples)

    def forward(self, signals: Tensor, trains: Tensor, taper: Tensor, condition: Tensor) -> Tensor:
        """Signals as recorded ones are.

        Args:
            signals: (n, 8, samples) in mV at 100 Hz.
            trains, taper: `beats_given`, (n, 2, samples) and (n, 88).
            condition: (n, width).
        """
        return self.wander(self.floor(self.changed(signals, trains, taper, condition)))

    def changed(self, signals: Tensor, trains: Tensor, taper: Tensor, condition: Tensor) -> Tensor:
        """The same with levels and baselines as they come."""
        beats = averaged(signals, trains[:, 0]).reshape(-1, 8 * LENGTH)
        change = (self.moved(beats, condition) - beats).reshape(-1, 8, LENGTH)
        both = torch.cat([change * taper[:, None], taper[:, None]], dim=1)
        placed, shares = laid_out(both, trains[:, 1]).split([8, 1], dim=1)
        # Where beats come so early that their neighbours' changes meet, each has its share.
        return signals + placed / shares.clamp_min(1)

    def moved(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats, (n, 704) in mV, as recorded ones are."""
        return self.mapped(self.flowed(beats, condition), condition)

    def flowed(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats behind `flow`, if usual."""
        return beats + self._usual(condition) * (self.flow(beats, condition) - beats)

    def mapped(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats behind `flow` with recorded expectation, and if usual covariance."""
        known = F.pad(condition, (0, 1), value=1.0)
        apart = beats - known @ self.expected_made
        return known @ self.expected_recorded + apart + self._usual(condition) * (apart @ self.matrix - apart)

    def _usual(self, condition: Tensor) -> Tensor:
        return 1 - (condition @ self.unusual).clamp(0, 1)[:, None]

    def learn(self, made: Tensor, recorded: Tensor, condition: Tensor) -> None:
        """Takes expectations and matrix from averaged beats, (n, 704) in mV, and their conditions, (n, width).

        Args:
            made: as `flowed` gives them.
            recorded: of records with the same conditions.
            condition: as `encode_conditions` gives them.
        """
        known = F.pad(condition, (0, 1), value=1.0).double()
        ridge = _CONDITION_RIDGE * len(known) * torch.eye(known.shape[1], device=known.device)
        covariances = []
        for values, expected in ((made, self.expected_made), (recorded, self.expected_recorded)):
            flat = values.double()
            weights = torch.linalg.solve(known.T @ known + ridge, known.T @ flat)
            apart = (flat - known @ weights)[condition @ self.unusual == 0]
            noise = _BEAT_RIDGE_MV**2 * torch.eye(flat.shape[1], device=flat.device)
            covariances.append(apart.T @ apart / len(apart) + noise)
            expected.copy_(weights)
        self.matrix.copy_(transport(*covariances))


def build_refiner(config: TrainConfig) -> Refiner:
    """One that changes nothing yet."""
    return Refiner(build_beat_flow(config), condition_width(config.statements), config.samples)


def load_refiner(config: TrainConfig, folder: Path) -> Refiner:
    """A run's refiner; raises TrainingError where it has learned from other networks than the run's."""
    refiner = build_refiner(config)
    load_weights(refiner, load_stage(folder, "refined")["networks"]["refiner"], "refined")
    source = fingerprint(finished_networks(config, folder))
    flow = load_beat_flow(config, folder, source)
    if not torch.equal(refiner.floor.networks, source) or not torch.equal(fingerprint(refiner.flow), fingerprint(flow)):
        raise TrainingError("refined.pt belongs to other networks; delete it and run the stage again")
    return refiner


def beats_to_change(times: Tensor, condition: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """A refiner's `trains` and `taper` for beats in seconds, (n, beats), and conditions, (n, width)."""
    given = beats_given(times.cpu().numpy(), condition.cpu().numpy(), config.statements, config.samples)
    trains, taper = (torch.from_numpy(array).to(condition.device) for array in given)
    return trains, taper


def refiner_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """The refiner from averaged beats behind their flow, and levels behind it from what is made with it.

    Nothing is trained by gradients.

    Raises:
        TrainingError: the flow is missing, or has learned from other networks' beats.
    """
    beats = load_averages(folder)
    refiner = build_refiner(config)
    refiner.flow = load_beat_flow(config, folder, beats.source)
    refiner.to(device).eval().requires_grad_(False)
    refiner.unusual.copy_(unusual_columns(config))
    _learn(refiner, beats, train.conditions)
    networks = finished_networks(config, folder).to(device).eval().requires_grad_(False)
    floor = refiner.floor
    floor.networks.copy_(beats.source)
    made, recorded = (Moments(len(floor.made)).to(device) for _ in range(2))
    slow = _Levels(refiner.wander, config.refiner_steps).to(device)

    @torch.no_grad()
    def step(number: int) -> dict[str, Tensor]:
        rows = torch.randint(len(train), (_BATCH,), device=device)
        condition = train.conditions[rows]
        signals, times = twins(networks, config, train, rows)
        changed = refiner.changed(signals, *beats_to_change(times, condition, config), condition)
        records = train.millivolts(rows)
        made.observe(floor.levels(changed))
        recorded.observe(floor.levels(records))
        slow.made[number], slow.recorded[number] = (refiner.wander.levels(x) for x in (changed, records))
        if number + 1 == config.refiner_steps:
            floor.take(made, recorded)
            refiner.wander.take(slow.made.flatten(0, 1), slow.recorded.flatten(0, 1))
        return {"spread": made.spread(), "spread_recorded": recorded.spread()}

    parts = {"refiner": refiner, "made": made, "recorded": recorded, "slow": slow}
    return Stage("refined", config, parts, {}, config.refiner_steps, step)


def _learn(refiner: Refiner, beats: AveragedBeats, conditions: Tensor) -> None:
    """Expectations and matrix from all twins of records that have enough beats."""
    chosen = beats.enough
    conditions = conditions[chosen.to(conditions.device)]
    recorded, made = (values.flatten(-2)[..., chosen, :].to(conditions) for values in (beats.recorded, beats.made))
    moved = torch.cat([refiner.flowed(values, conditions) for values in made])
    refiner.learn(moved, recorded.repeat(len(made), 1), conditions.repeat(len(made), 1))


class _Levels(nn.Module):
    """Levels of baselines, step by step, as a checkpoint keeps them."""

    made: Tensor
    recorded: Tensor

    def __init__(self, wander: Wander, steps: int) -> None:
        super().__init__()
        for name in ("made", "recorded"):
            self.register_buffer(name, torch.zeros(steps, _BATCH, *wander.made.shape[:2]))
