"""Convolutions that shorten the ECG, then a bidirectional LSTM over what is left.

After Hochreiter and Schmidhuber 1997 (Neural Comput 9:1735) and Schuster and Paliwal 1997 (IEEE Trans Signal Process
45:2673); the convolutions see the form of a beat, the LSTM how beats follow each other.
"""

from __future__ import annotations

import torch
from torch import nn

from ecgsdk_classifiers.layers import Head, as_image, convolved

__all__ = ["CnnBiLstm"]

_WIDTHS, _HIDDEN = (32, 64, 96), 64


class CnnBiLstm(nn.Module):
    """Signals (n, leads, samples) → logits (n, labels)."""

    def __init__(self, leads: int, labels: int) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.body = nn.Sequential(
            nn.BatchNorm2d(leads, affine=False),
            convolved(leads, first, 15, stride=2),
            nn.MaxPool2d((1, 2)),
            convolved(first, second, 7, stride=2),
            convolved(second, second, 7),
            convolved(second, third, 7, stride=2),
            convolved(third, third, 7),
        )
        self.lstm = nn.LSTM(third, _HIDDEN, batch_first=True, bidirectional=True)
        self.head = Head(2 * _HIDDEN, labels)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        features = self.body(as_image(signals)).squeeze(2).transpose(1, 2)
        return self.head(self.lstm(features)[0].transpose(1, 2))
