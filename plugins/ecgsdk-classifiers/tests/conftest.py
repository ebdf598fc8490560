"""Drawn ECGs that differ in one thing: broad or narrow beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 100.0


@pytest.fixture(scope="session")
def drawn() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """(records, seed, seconds) → signals (records, 12, samples), labels (records, 2): broad beats, above 80 bpm."""
    return draw


def draw(records: int, seed: int = 0, seconds: float = 10) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    broad = random.permutation(records) % 2 == 0
    rates = random.uniform(50, 110, records)
    signals = [ecg(rate, 0.035 if wide else 0.014, seconds, random) for rate, wide in zip(rates, broad)]
    return np.stack(signals), np.stack([broad, rates > 80], axis=1)


def ecg(heart_rate: float, qrs_width: float, seconds: float, random: np.random.Generator) -> np.ndarray:
    """P, QRS and T waves as bell curves, each in its own size in each lead, float32 mV."""
    times = np.arange(round(seconds * RATE)) / RATE
    peaks = np.arange(random.uniform(0.1, 0.6), seconds + 1, 60 / heart_rate)
    signals = random.normal(scale=0.01, size=(12, len(times)))
    for delay, width, size in ((-0.17, 0.02, 0.12), (0.0, qrs_width, 1.0), (0.28, 0.05, 0.25)):
        wave = np.exp(-0.5 * ((times[:, None] - peaks - delay) / width) ** 2).sum(axis=1)
        signals += size * random.uniform(0.6, 1.2, (12, 1)) * wave
    return signals.astype(np.float32)
