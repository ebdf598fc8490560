"""An Inception-time network (Ismail Fawaz et al. 2020, Data Min Knowl Discov 34:1936), small enough for a CPU.

Six modules of three kernel lengths behind bottlenecks, in two residual groups, as in the paper. Other than there, a
strided convolution and a pooling go before, so that the modules see 25 rather than 100 steps a second, and a pooling
between the groups halves that; one network rather than an ensemble of five.
"""

from __future__ import annotations

import torch
from torch import nn

from ecgsdk_classifiers.layers import Head, as_image, convolution, convolved

__all__ = ["InceptionTime"]

_STEM, _BOTTLENECK, _FILTERS, _KERNELS = 32, 16, 16, (9, 19, 39)
_MODULES_A_GROUP = 3


class _Module(nn.Module):
    """Convolutions of several lengths behind one bottleneck, beside a pooling, all put together."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.bottleneck = convolution(inside, _BOTTLENECK, 1)
        self.lengths = nn.ModuleList(convolution(_BOTTLENECK, _FILTERS, kernel) for kernel in _KERNELS)
        self.pooled = nn.Sequential(nn.MaxPool2d((1, 3), 1, (0, 1)), convolution(inside, _FILTERS, 1))
        self.finish = nn.Sequential(nn.BatchNorm2d(_outside()), nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.bottleneck(x)
        return self.finish(torch.cat([*(one(narrow) for one in self.lengths), self.pooled(x)], dim=1))


class _Group(nn.Module):
    """Modules with a way around them."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        widths = [inside] + [_outside()] * (_MODULES_A_GROUP - 1)
        self.through = nn.Sequential(*(_Module(width) for width in widths))
        self.around = nn.Sequential(convolution(inside, _outside(), 1), nn.BatchNorm2d(_outside()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.through(x) + self.around(x))


class InceptionTime(nn.Module):
    """Signals (n, leads, samples) → logits (n, labels)."""

    def __init__(self, leads: int, labels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(leads, affine=False),
            convolved(leads, _STEM, 15, stride=2),
            nn.MaxPool2d((1, 2)),
            _Group(_STEM),
            nn.MaxPool2d((1, 2)),
            _Group(_outside()),
        )
        self.head = Head(_outside(), labels)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(as_image(signals)).squeeze(2))


def _outside() -> int:
    return _FILTERS * (len(_KERNELS) + 1)
