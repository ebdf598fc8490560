"""Filters that make a frame of eight samples at a time: eight times fewer and larger products than sample by sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ecgsdk.training.networks import TOKEN

__all__ = ["filtered", "framed", "unframed"]


def framed(filters: Tensor) -> Tensor:
    """The kernel for `filtered` of filters around a sample, (filters, an odd number of taps), the past first."""
    half = filters.shape[1] // 2
    reach = -(-half // TOKEN)
    kernel = filters.new_zeros(len(filters), TOKEN, (2 * reach + 1) * TOKEN)
    for sample in range(TOKEN):
        first = reach * TOKEN - half + sample
        kernel[:, sample, first : first + filters.shape[1]] = filters
    return kernel.flatten(0, 1).unflatten(1, (-1, TOKEN)).transpose(1, 2).float().contiguous()


def filtered(signals: Tensor, kernel: Tensor) -> Tensor:
    """Signals (n, leads, samples), which are taken to go on as they begin and end, through each of the filters.

    Args:
        signals: of whole frames: samples are a multiple of 8.
        kernel: as `framed` makes it.

    Returns:
        Frames last: (n, leads · filters, 8 samples of a frame, frames).
    """
    leads, samples = map(int, signals.shape[1:])  # fixed numbers in a graph
    frames = signals.reshape(-1, samples // TOKEN, TOKEN)
    beyond = torch.ones(1, kernel.shape[2] // 2, TOKEN, device=signals.device)
    frames = torch.cat([frames[:, :1, :1] * beyond, frames, frames[:, -1:, -1:] * beyond], dim=1)
    made = F.conv1d(frames.transpose(1, 2), kernel)
    return made.reshape(-1, leads * len(kernel) // TOKEN, TOKEN, samples // TOKEN)


def unframed(frames: Tensor) -> Tensor:
    """(n, channels, 8 samples of a frame, frames) → (n, channels, samples)."""
    channels, count = int(frames.shape[1]), int(frames.shape[3])
    return frames.transpose(2, 3).reshape(-1, channels, TOKEN * count)
