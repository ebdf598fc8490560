"""How all networks here are trained: AdamW (Loshchilov and Hutter 2019, ICLR) along one cycle, on any labels.

The learning rate rises and falls once (Smith and Topin 2018, arXiv:1708.07120). Small sets are gone through more often
than large ones, by a rule that was measured on PTB-XL.

Example (Python):

    network = train(ResNet(8, 15), signals, labels, epochs=epochs_for(len(signals)), seed=0)
    chances = probabilities(network, other_signals)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BATCH", "epochs_for", "probabilities", "train"]

BATCH = 64
_PEAK_RATE, _WEIGHT_DECAY = 4e-3, 0.02
_EPOCHS_OF_1000, _FEWEST_STEPS, _FEWEST_EPOCHS = 30, 200, 6
_LARGEST_SHIFT = 50


def epochs_for(records: int) -> int:
    """How often to go through so many records: 30 times at 1,000, falling with their cube root: 13 at 12,000.

    That makes 200 optimiser steps at least, however few the records, and never fewer than 6 epochs.
    """
    falling = _EPOCHS_OF_1000 * (1000 / records) ** (1 / 3)
    enough = _FEWEST_STEPS / _batches_an_epoch(records)
    return round(max(falling, enough, _FEWEST_EPOCHS))


def train(
    network: nn.Module, signals: np.ndarray, labels: np.ndarray, *, epochs: int, seed: int, name: str = "training"
) -> nn.Module:
    """Trains a fresh network in place and returns it, ready to predict.

    Batches are drawn, and each is shifted in time by up to half a second (at 100 Hz), around the end, by `seed`.

    Args:
        network: signals → logits.
        signals: float32 mV, shape (n, leads, samples).
        labels: bool, shape (n, labels).
        epochs: how often each record is gone through.
        seed: of batches and shifts; dropout draws from PyTorch's global generator.
        name: for the progress bar, which only a terminal shows.
    """
    steps = epochs * _batches_an_epoch(len(signals))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=_WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, total_steps=steps)
    batches = _batches(signals, labels, epochs, np.random.default_rng(seed))
    network.train()
    with torch.enable_grad():
        for x, y in tqdm(batches, desc=name, total=steps, unit="batch", leave=False, disable=None):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def probabilities(network: nn.Module, signals: np.ndarray) -> np.ndarray:
    """Probability of each label, float32, shape (n, labels), from signals (n, leads, samples)."""
    with torch.inference_mode():
        parts = [
            torch.sigmoid(network(torch.from_numpy(np.ascontiguousarray(signals[first : first + BATCH])))).numpy()
            for first in range(0, len(signals), BATCH)
        ]
    return np.concatenate(parts)


def _batches_an_epoch(records: int) -> int:
    return max(1, round(records / BATCH))


def _batches(
    signals: np.ndarray, labels: np.ndarray, epochs: int, random: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    targets = labels.astype(np.float32)
    for _ in range(epochs):
        for chosen in np.array_split(random.permutation(len(signals)), _batches_an_epoch(len(signals))):
            shift = int(random.integers(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1))
            yield torch.from_numpy(np.roll(signals[chosen], shift, axis=2)), torch.from_numpy(targets[chosen])
