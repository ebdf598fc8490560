"""A rectified flow from averaged beats as they are made to averaged beats as they are recorded, by statements.

Paths go from made beats to recorded ones of the same condition, or where that is nearer of one with like statements:
rectified flow (Liu et al. 2023, ICLR) between pairs of optimal transport in a batch (Tong et al. 2024, TMLR; with
conditions in their cost as in Kerrigan et al. 2024, NeurIPS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.encoding import condition_width, statement_columns
from ecgsdk.errors import TrainingError
from ecgsdk.training.averages import load_averages
from ecgsdk.training.impulses import LENGTH
from ecgsdk.training.loop import Ema, Stage, descend, load_average, load_stage

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["BeatFlow", "beat_flow_stage", "build_beat_flow", "load_beat_flow", "unusual_columns"]

_RATE = 100
_COMPONENTS = 192
_STEPS = 4
_DROPOUT = 0.1
_WEIGHT_DECAY = 0.02
_LEAST_SPREAD_MV = 1e-3
# What statements that differ cost, in mean squared coordinates, over their standard deviations within bounds.
_OTHER_STATEMENTS = 0.3
_SPREADS = (0.05, 0.3)
_UNUSUAL = ("AFIB", "AFLT", "PACE", "1AVB", "LPR", "CLBBB", "CRBBB", "IVCD", "WPW")


class BeatFlow(nn.Module):
    """Moves averaged beats along a velocity that is learned, in their principal components.

    Attributes:
        source: `fingerprint` of the networks whose averaged beats it has learned from.
        mean, basis, scale: of the components, (704,), (704, 192), (192,).
    """

    source: Tensor
    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, statements: int, width: int) -> None:
        super().__init__()
        values = 8 * LENGTH
        self.register_buffer("source", torch.zeros(32, dtype=torch.uint8))
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.zeros(values, _COMPONENTS))
        self.register_buffer("scale", torch.ones(_COMPONENTS))
        self.statements = statements
        self.first = nn.Linear(_COMPONENTS + 1 + statements + 8, width)
        self.blocks = nn.ModuleList(_block(width) for _ in range(2))
        self.last = nn.Linear(width, _COMPONENTS)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, beats: Tensor, condition: Tensor) -> Tensor:
        """Averaged beats, (n, 704) in mV, nearer to recorded ones, given the statements of conditions (n, width)."""
        began = place = self.coordinates(beats)
        for step in range(_STEPS):
            half = place + self.velocity(place, self._time(place, step / _STEPS), condition) / (2 * _STEPS)
            place = place + self.velocity(half, self._time(place, (step + 0.5) / _STEPS), condition) / _STEPS
        # With a bias, a graph holds the basis once: without, a transposed copy.
        return beats + F.linear((place - began) * self.scale, self.basis, torch.zeros_like(self.mean))

    def coordinates(self, beats: Tensor) -> Tensor:
        """(n, 704) in mV → (n, 192)."""
        return (beats - self.mean) @ self.basis / self.scale

    def velocity(self, place: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Where coordinates (n, 192) go at times (n, 1) from 0 to 1, given conditions (n, width)."""
        angles = torch.pi * torch.cat([time, 2 * time, 3 * time, 4 * time], dim=1)
        known = condition[:, : 1 + self.statements]
        h = self.first(torch.cat([place, known, angles.sin(), angles.cos()], dim=1))
        for block in self.blocks:
            h = h + block(h)
        return self.last(F.silu(h))

    def take_components(self, recorded: Tensor, made: Tensor) -> None:
        """Takes the components from beats, (n, 704) in mV. Faint ones count more than by their variance."""
        both = torch.cat([recorded, made]).double()
        self.mean.copy_(both.mean(0))
        vectors = torch.linalg.eigh((both - both.mean(0)).T.cov(correction=0)).eigenvectors
        self.basis.copy_(vectors.flip(1)[:, :_COMPONENTS])
        spread = ((recorded - self.mean) @ self.basis).std(0, correction=0).clamp_min(_LEAST_SPREAD_MV)
        self.scale.copy_((spread * spread.mean()).sqrt())

    @staticmethod
    def _time(place: Tensor, time: float) -> Tensor:
        return torch.full_like(place[:, :1], time)


def build_beat_flow(config: TrainConfig) -> BeatFlow:
    """One that moves nothing yet."""
    return BeatFlow(len(config.statements), config.beat_flow_width)


def unusual_columns(config: TrainConfig) -> Tensor:
    """1 where a condition holds a statement without P wave or with other conduction, (width,): too few to learn."""
    columns = torch.zeros(condition_width(config.statements))
    columns[statement_columns(config.statements, _UNUSUAL)] = 1
    return columns


def beat_flow_stage(config: TrainConfig, folder: Path, train: TrainingData, device: torch.device) -> Stage:
    """The flow of averaged beats, from `prepare_averages`, of records whose condition is usual.

    Raises:
        TrainingError: the rate is not 100 Hz, no usual record has three whole usual beats, or the run's flow has
            learned from other networks' beats.
    """
    if config.sampling_rate != _RATE:
        raise TrainingError(f"the beat_flow stage knows {_RATE} Hz only; set beat_flow_steps to 0")
    beats = load_averages(folder)
    if (folder / "beat_flow.pt").exists():
        load_beat_flow(config, folder, beats.source)
    conditions = train.conditions.cpu()
    chosen = beats.enough & (conditions @ unusual_columns(config) == 0)
    if not chosen.any():
        raise TrainingError(
            "the beat_flow stage needs records of three usual beats or more without conduction disorder; set "
            "beat_flow_steps to 0"
        )
    recorded, made = (values.flatten(-2)[..., chosen, :] for values in (beats.recorded, beats.made))
    network = build_beat_flow(config)
    network.source.copy_(beats.source)
    network.take_components(recorded, made[0])
    recorded, made, network = recorded.to(device), made.to(device), network.to(device)
    conditions = conditions[chosen].to(device)
    shown = conditions[:, : 1 + network.statements]
    shown = shown / shown.std(0, correction=0).clamp(*_SPREADS)
    ema = Ema(network, config.beat_flow_ema)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.beat_flow_rate, weight_decay=_WEIGHT_DECAY)

    def step(number: int) -> dict[str, Tensor]:
        rows = torch.randint(len(recorded), (config.beat_flow_batch,), device=device)
        twin = int(torch.randint(len(made), ()))
        begins, ends = (network.coordinates(beats[rows]) for beats in (made[twin], recorded))
        partners = _partners(begins, ends, shown[rows])
        ends, condition = ends[partners], conditions[rows][partners]
        time = torch.rand(len(rows), 1, device=device)
        told = network.velocity(begins + time * (ends - begins), time, condition)
        loss = (told - (ends - begins)).square().mean()
        descend(optimizer, network.parameters(), loss)
        ema.update(network, number)
        return {"loss": loss.detach()}

    networks = {"flow": network, "average": ema}
    return Stage("beat_flow", config, networks, {"main": optimizer}, config.beat_flow_steps, step)


def load_beat_flow(config: TrainConfig, folder: Path, source: Tensor) -> BeatFlow:
    """A run's flow; raises TrainingError where it has learned from other networks' beats than those of `source`."""
    network = build_beat_flow(config)
    load_average(network, load_stage(folder, "beat_flow"), "beat_flow")
    if not torch.equal(network.source, source):
        raise TrainingError("beat_flow.pt belongs to other networks; delete it and run the stage again")
    return network


def _partners(begins: Tensor, ends: Tensor, shown: Tensor) -> Tensor:
    """To which end each beginning goes, (n,), so that ways are short and statements are kept."""
    cost = torch.cdist(begins, ends).square() / begins.shape[1]
    cost = cost + _OTHER_STATEMENTS * torch.cdist(shown, shown).square()
    return torch.from_numpy(np.asarray(linear_sum_assignment(cost.cpu().numpy())[1])).to(begins.device)


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(_DROPOUT), nn.Linear(width, width)
    )
