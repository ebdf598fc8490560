"""Reader: a network that tells what real ECGs were reported to show; in its features candidates are judged.

What tells samples finds what is faint and nobody reads; features of a reader tell whether an ECG shows what recorded
ones with its statements show (after Sauer et al. 2021, arXiv 2111.01007).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.errors import TrainingError
from ecgsdk.training.loop import Stage, descend, load_stage, load_weights, mixed_precision
from ecgsdk.training.losses import low_pass
from ecgsdk.training.networks import ConvBlock
from ecgsdk.training.wander import slow_cosines

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import TrainingData

__all__ = ["FEATURES", "Reader", "build_reader", "load_reader", "reader_stage", "readers_half"]

_WIDTHS = (32, 64, 96)
_STRIDES = (4, 2, 2)
FEATURES = 4 * sum(_WIDTHS)
"""Figures that a reader gives of an ECG."""

_DROPOUT = 0.3
# Of soft extremes: the higher, the nearer to the greatest and the least value.
_SHARPNESS = 5.0
_SEEN_NOISE_MV = 0.02
_LARGEST_SHIFT = 50
_LEAD_DROPPED = 0.1
_WEIGHT_DECAY = 0.05
_EVALUATED = 1024


class Reader(nn.Module):
    """Signals (n, 8, samples) in mV at 100 Hz → logits of the statements.

    It sees what lies between 0.5 and about 20 Hz: what is slower or faster is not for reading, and other stages give
    it recorded levels.
    """

    cosines: Tensor

    def __init__(self, samples: int, statements: int) -> None:
        super().__init__()
        self.register_buffer("cosines", slow_cosines(samples), persistent=False)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv1d(inside, outside, 9, stride, 4), nn.SiLU(), ConvBlock(outside))
            for (inside, outside), stride in zip(pairwise((8, *_WIDTHS)), _STRIDES)
        )
        self.standardise = nn.BatchNorm1d(FEATURES, affine=False)
        self.head = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(FEATURES, statements))

    def forward(self, signals: Tensor) -> Tensor:
        return self.head(self.features(signals))

    def features(self, signals: Tensor) -> Tensor:
        """Mean, spread and soft extremes over time of three levels, standardised, (n, `FEATURES`)."""
        x = low_pass(signals - signals @ self.cosines.T @ self.cosines)
        seen = []
        for level in self.levels:
            x = level(x).float()
            extremes = (torch.logsumexp(sign * _SHARPNESS * x, 2) / (sign * _SHARPNESS) for sign in (1, -1))
            seen += [x.mean(2), (x.var(2) + 1e-4).sqrt(), *extremes]
        return self.standardise(torch.cat(seen, dim=1))


def build_reader(config: TrainConfig) -> Reader:
    """An untrained reader."""
    return Reader(config.samples, len(config.statements))


def readers_half(records: int, device: torch.device) -> Tensor:
    """Which training records a reader learns from, about half of them, bool (n,); its features of the others teach."""
    random = torch.Generator().manual_seed(0)
    return (torch.randint(2, (records,), generator=random) == 0).to(device)


def reader_stage(config: TrainConfig, train: TrainingData, validation: TrainingData, device: torch.device) -> Stage:
    """The reader learns to tell the statements of its half of the training records."""
    reader = build_reader(config).to(device)
    rates = _statements(train, torch.arange(len(train), device=device), config).mean(0).clamp(1e-3, 1 - 1e-3)
    cast("nn.Linear", reader.head[-1]).bias.data.copy_(rates.logit())
    optimizer = torch.optim.AdamW(reader.parameters(), lr=config.reader_rate, weight_decay=_WEIGHT_DECAY)
    weights = train.weights * readers_half(len(train), device)
    if not weights.any():
        raise TrainingError("the reader stage needs more records; begin a new run with more")

    def step(_: int) -> dict[str, Tensor]:
        rows = torch.multinomial(weights, config.reader_batch, replacement=True)
        with mixed_precision(device):
            told = reader(_shown(train.millivolts(rows))).float()
        loss = F.binary_cross_entropy_with_logits(told, _statements(train, rows, config))
        descend(optimizer, reader.parameters(), loss)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        reader.eval()
        rows = torch.arange(min(_EVALUATED, len(validation)), device=device)
        told = reader(validation.millivolts(rows))
        reader.train()
        loss = F.binary_cross_entropy_with_logits(told, _statements(validation, rows, config))
        return {"val_loss": round(float(loss), 5)}

    return Stage("reader", config, {"reader": reader}, {"main": optimizer}, config.reader_steps, step, evaluate, 500)


def load_reader(config: TrainConfig, folder: Path) -> Reader:
    """A run's reader as it stays."""
    reader = build_reader(config)
    load_weights(reader, load_stage(folder, "reader")["networks"]["reader"], "reader")
    return reader.eval().requires_grad_(False)


def _shown(signals: Tensor) -> Tensor:
    """Signals as a reader learns from them: moved around the end, some leads left out, under white noise of 20 µV."""
    n, leads = signals.shape[:2]
    shift = int(torch.randint(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1, ()))
    kept = (torch.rand(n, leads, 1, device=signals.device) >= _LEAD_DROPPED).float()
    return kept * signals.roll(shift, dims=2) + _SEEN_NOISE_MV * torch.randn_like(signals)


def _statements(data: TrainingData, rows: Tensor, config: TrainConfig) -> Tensor:
    return data.conditions[rows, 1 : 1 + len(config.statements)]
