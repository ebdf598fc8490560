"""The validation encoder's network: 8 leads of any length → features, and what they are trained to tell."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["FEATURES", "MEASURED", "SHAPES", "EncoderNetwork", "Features"]

FEATURES = 256
"""Features of each record."""

MEASURED = ("heart_rate", "rr_variation", "age", "sex")
"""What the features are trained to tell besides the statements, in the order of the output."""

SHAPES = 8 * 5 + 28
"""And after it: power of each lead in each band, and correlation of each pair of leads. They have no noisy labels that
a network could learn by heart, and keep the features from knowing only what statements need."""

_STEM, _WIDTHS, _KERNEL = 32, (48, 96, 160), 7


class Block(nn.Module):
    """Two convolutions with a way around them; halves the time steps."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.around = nn.Sequential(nn.Conv1d(inside, outside, 1, 2, bias=False), nn.BatchNorm1d(outside))
        self.through = nn.Sequential(
            nn.Conv1d(inside, outside, _KERNEL, 2, _KERNEL // 2, bias=False),
            nn.BatchNorm1d(outside),
            nn.ReLU(),
            nn.Conv1d(outside, outside, _KERNEL, 1, _KERNEL // 2, bias=False),
            nn.BatchNorm1d(outside),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.through(x) + self.around(x))


class Features(nn.Module):
    """Signals (n, 8, samples) in mV at 100 Hz → features (n, `FEATURES`), each of mean 0 and variance 1 in training.

    A residual network in one dimension (He et al. 2016, CVPR, p. 770). A step of the last layer sees 5 s of signal,
    several beats. Mean and maximum over time make the length free.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        widths = (_STEM, *_WIDTHS)
        self.body = nn.Sequential(
            nn.BatchNorm1d(8),
            nn.Conv1d(8, _STEM, 15, 2, 7, bias=False),
            nn.BatchNorm1d(_STEM),
            nn.ReLU(),
            nn.MaxPool1d(2),
            *(Block(inside, outside) for inside, outside in pairwise(widths)),
        )
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * widths[-1], FEATURES))
        self.standardise = nn.BatchNorm1d(FEATURES, affine=False)

    def forward(self, signals: Tensor) -> Tensor:
        steps = self.body(signals)
        return self.standardise(self.project(torch.cat([steps.mean(dim=2), steps.amax(dim=2)], dim=1)))


class EncoderNetwork(nn.Module):
    """Features, and from them logits of the statements, `MEASURED` figures and `SHAPES`; only the features are kept."""

    def __init__(self, statements: int, dropout: float) -> None:
        super().__init__()
        outputs = statements + len(MEASURED) + SHAPES
        self.features = Features(dropout)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(FEATURES, outputs))

    def forward(self, signals: Tensor) -> Tensor:
        return self.head(self.features(signals))
