"""Convolutions in one dimension that are fast on a CPU, and the pooling that all networks here end in.

Signals are kept as (n, channels, 1, time) in the channels-last memory format: PyTorch's two-dimensional convolutions
take it as it is, and train a third faster on a CPU than one-dimensional ones.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Head", "as_image", "convolution", "convolved"]


def as_image(signals: torch.Tensor) -> torch.Tensor:
    """Signals (n, leads, samples) as (n, leads, 1, samples), channels last."""
    return signals.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution over time without bias; with stride 1 as many samples come out as go in (odd kernels)."""
    return nn.Conv2d(inside, outside, (1, kernel), (1, stride), (0, kernel // 2), bias=False)


def convolved(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(convolution(inside, outside, kernel, stride), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class Head(nn.Module):
    """Features (n, channels, time) → logits (n, labels), by mean and maximum over time."""

    def __init__(self, channels: int, labels: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * channels, labels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        pooled = torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
        return self.linear(self.dropout(pooled))
