"""A small 1-D ResNet that reads several labels from 8-lead ECGs: 0.44 M parameters, trained with one cycle.

He et al. 2016 (CVPR, p. 770) in one dimension; the learning rate after Smith and Topin 2018 (arXiv:1708.07120).

Example (Python):

    network = train(signals, labels, epochs=15, seed=0)
    logits = predict(network, other_signals)
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

__all__ = ["ResNet", "parameters", "predict", "train"]

_STEM, _WIDTHS, _KERNEL = 32, (48, 96, 160), 7
_BATCH, _PEAK_RATE, _WEIGHT_DECAY = 64, 4e-3, 0.02
_LARGEST_SHIFT = 50


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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.through(x) + self.around(x))


class ResNet(nn.Module):
    """Signals (n, leads, samples) → logits (n, labels)."""

    def __init__(self, leads: int, labels: int) -> None:
        super().__init__()
        widths = (_STEM, *_WIDTHS)
        self.body = nn.Sequential(
            nn.BatchNorm1d(leads),
            nn.Conv1d(leads, _STEM, 15, 2, 7, bias=False),
            nn.BatchNorm1d(_STEM),
            nn.ReLU(),
            nn.MaxPool1d(2),
            *(Block(inside, outside) for inside, outside in pairwise(widths)),
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * widths[-1], labels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.body(x)
        return self.head(torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1))


def parameters(leads: int, labels: int) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in ResNet(leads, labels).parameters())


def train(signals: np.ndarray, labels: np.ndarray, *, epochs: int, seed: int, device: str = "cpu") -> ResNet:
    """A network trained on signals (n, leads, samples) in mV and labels (n, labels).

    Records are shifted in time by up to half a second (at 100 Hz), around the end; that is all the augmentation.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = ResNet(signals.shape[1], labels.shape[1]).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=_WEIGHT_DECAY)
    steps = max(1, len(signals) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, total_steps=epochs * steps)
    targets = labels.astype(np.float32)
    network.train()
    for epoch in tqdm(range(epochs), desc=f"training, seed {seed}", unit="epoch", leave=False):
        order = random.permutation(len(signals))
        for step in tqdm(range(steps), desc=f"epoch {epoch + 1}", leave=False, disable=None):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            shift = int(random.integers(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1))
            x = torch.from_numpy(signals[chosen]).to(device).roll(shift, dims=2)
            y = torch.from_numpy(targets[chosen]).to(device)
            loss = nn.functional.binary_cross_entropy_with_logits(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def predict(network: ResNet, signals: np.ndarray) -> np.ndarray:
    """Logits, float32, shape (n, labels)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [network(torch.from_numpy(signals[i : i + 256]).to(device)) for i in range(0, len(signals), 256)]
    return torch.cat(parts).cpu().numpy()
