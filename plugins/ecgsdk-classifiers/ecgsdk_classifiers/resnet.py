"""A 1-D residual network (He et al. 2016, CVPR, p. 770), with what He et al. 2019 (CVPR, p. 558) mend in it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from ecgsdk_classifiers.layers import Head, as_image, convolution, convolved

__all__ = ["ResNet"]

_STEM, _WIDTHS, _KERNEL = 32, (48, 96, 160), 7


class _Block(nn.Module):
    """Two convolutions with a way around them; halves the time steps.

    The way around averages before it narrows, so that no sample is passed over, and the last normalisation starts
    at zero, so that the block starts as its way around.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.around = nn.Sequential(
            nn.AvgPool2d((1, 2), ceil_mode=True), convolution(inside, outside, 1), nn.BatchNorm2d(outside)
        )
        last = nn.BatchNorm2d(outside)
        nn.init.zeros_(last.weight)
        self.through = nn.Sequential(
            convolved(inside, outside, _KERNEL, stride=2), convolution(outside, outside, _KERNEL), last
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.through(x) + self.around(x))


class ResNet(nn.Module):
    """Signals (n, leads, samples) → logits (n, labels)."""

    def __init__(self, leads: int, labels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(leads, affine=False),
            convolved(leads, _STEM, 15, stride=2),
            nn.MaxPool2d((1, 2)),
            *(_Block(inside, outside) for inside, outside in pairwise((_STEM, *_WIDTHS))),
        )
        self.head = Head(_WIDTHS[-1], labels)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(as_image(signals)).squeeze(2))
