"""Averaged beats as recorded, and what differs from beat to beat; behind them levels and baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgsdk.encoding import condition_width
from ecgsdk.errors import TrainingError
from ecgsdk.training.averages import finished_networks, load_averages, twins
from ecgsdk.training.beat_flow import BeatFlow, build_beat_flow, load_beat_flow, unusual_columns
from ecgsdk.training.impulses import LENGTH, laid_out
from ecgsdk.training.loop import Stage, fingerprint, load_stage, load_weights
from ecgsdk.training.noise_floor import NoiseFloor
from ecgsdk.training.scatter import Scatter, averages
from ecgsdk.training.transport import ConditionalTransport, Moments
from ecgsdk.training.wander import Wander
from ecgsdk.usual_beats import beats_given

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.averages import AveragedBeats
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["Refiner", "beats_to_change", "build_refiner", "load_refiner", "refiner_stage"]

_BATCH = 128
_BEAT_RIDGE_MV = 0.003
# Axes on which averaged beats are stretched or shrunk, of 704.
_RANK = 320
# Of a beat in a sample, so that what is divided by it stays finite.
_LEAST_SHARE = 1e-3


class Refiner(nn.Module):
    """Takes a record's averaged beat, and adds its change at each beat of that form.

    First the averaged beat goes the way of `flow`. Then `mapping` gives it the expectation and covariance of recorded
    ones; unusual conditions get the expectation alone. `scatter` makes usual beats as like each other as recorded ones
    are, and what they have in common before QRS complexes as strong. What is slower or faster than waves and differs
    from beat to beat stays as it is. Behind that, levels are as recorded (`floor`): the change adds at QRS complexes
    what levels before it made up for. So are baselines (`wander`).

    Attributes:
        unusual: `unusual_columns`, (width,).
    """

    unusual: Tensor

    def __init__(self, flow: BeatFlow, condition: int, samples: int) -> None:
        super().__init__()
        self.flow = flow
        self.mapping = ConditionalTransport(condition, 8 * LENGTH, _RANK)
        self.register_buffer("unusual", torch.zeros(condition))
        self.scatter = Scatter(condition)
        self.floor = NoiseFloor(samples)
        self.wander = Wander(samples)

    def forward(self, signals: Tensor, trains: Tensor, taper: Tensor, condition: Tensor) -> Tensor:
        """Signals as recorded ones are.

        Args:
            signals: (n, 8, samples) in mV at 100 Hz.
            trains, taper: `beats_given`, (n, 4, samples) and (n, 88).
            condition: (n, width).
        """
        return self.wander(self.floor(self.changed(signals, trains, taper, condition)))

    def changed(self, signals: Tensor, trains: Tensor, taper: Tensor, condition: Tensor) -> Tensor:
        """The same with levels and baselines as they come."""
        waves = self.scatter.waves(signals)
        beats, mean, power = averages(signals, waves, trains[:, 0])
        moved = self.moved(beats.flatten(1), condition).reshape(-1, 8, LENGTH)
        louder, stronger = self.scatter(mean, power, moved, condition)
        change = moved + stronger - beats
        shown = taper[:, None]
        both = torch.cat([change * shown, shown], dim=1)
        placed, shares = laid_out(both, trains[:, 1]).split([8, 1], dim=1)
        # Where beats come so early that their neighbours' changes meet, each has its share.
        signals = signals + placed / shares.clamp_min(1)
        all_three = torch.cat([louder * shown, mean * shown, shown], dim=1)
        gains, means, shares = laid_out(all_three, trains[:, 2]).split([8, 8, 1], dim=1)
        # Other beats have their share too, and stay as they are.
        gains = gains / shares.clamp_min(1) * (1 - laid_out(shown, trains[:, 3])).clamp(0, 1)
        return signals + gains * (waves - means / shares.clamp_min(_LEAST_SHARE))

    def moved(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats, (n, 704) in mV, as recorded ones are."""
        return self.mapped(self.flowed(beats, condition), condition)

    def flowed(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats behind `flow`, if usual."""
        return beats + self._usual(condition) * (self.flow(beats, condition) - beats)

    def mapped(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats behind `flow` with recorded expectation, and if usual covariance."""
        return self.mapping(beats, condition, self._usual(condition))

    def _usual(self, condition: Tensor) -> Tensor:
        return 1 - (condition @ self.unusual).clamp(0, 1)[:, None]

    def learn(self, made: Tensor, recorded: Tensor, condition: Tensor) -> None:
        """Takes `mapping` from averaged beats, (n, 704) in mV, and their conditions, (n, width).

        Args:
            made: as `flowed` gives them.
            recorded: of records with the same conditions.
            condition: as `encode_conditions` gives them.
        """
        self.mapping.learn(made, recorded, condition, _BEAT_RIDGE_MV**2, chosen=condition @ self.unusual == 0)


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
    """Expectations, axes and scatter from all twins of records that have enough beats."""
    chosen = beats.enough
    conditions = conditions[chosen.to(conditions.device)]
    recorded, made, scatter, made_scatter = (
        values[..., chosen, :, :].to(conditions)
        for values in (beats.recorded, beats.made, beats.scatter, beats.made_scatter)
    )
    recorded, scatter, conditions = (torch.cat([values] * len(made)) for values in (recorded, scatter, conditions))
    flowed = refiner.flowed(made.flatten(0, 1).flatten(1), conditions)
    refiner.learn(flowed, recorded.flatten(1), conditions)
    moved = refiner.mapped(flowed, conditions).reshape_as(recorded)
    refiner.scatter.learn((made_scatter.flatten(0, 1), moved), (scatter, recorded), conditions)


class _Levels(nn.Module):
    """Levels of baselines, step by step, as a checkpoint keeps them."""

    made: Tensor
    recorded: Tensor

    def __init__(self, wander: Wander, steps: int) -> None:
        super().__init__()
        for name in ("made", "recorded"):
            self.register_buffer(name, torch.zeros(steps, _BATCH, *wander.made.shape[:2]))
