"""ECGs of known shape to draw, and what a drawn page holds."""

from __future__ import annotations

import numpy as np

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition

__all__ = ["MADE_BY", "RATE", "batch", "beats", "size_mm", "texts", "traces"]

RATE = 100
MADE_BY = Provenance("small", "ab12", "0.1.0", 7, 4, 1.0)


def beats(amplitude=1.0, seconds=10, rate_bpm=60):
    """One lead with an R wave of 40 ms at 0.5 s and from then on in step."""
    signal = np.zeros(seconds * RATE, np.float32)
    for start in np.arange(0.5, seconds, 60 / rate_bpm):
        first = round(start * RATE)
        signal[first - 2 : first + 3] = amplitude * np.array([0.25, 0.75, 1, 0.75, 0.25])
    return signal


def batch(n=1, amplitude=1.0, seconds=10, condition=None, provenance=None):
    signals = np.stack([np.stack([beats(amplitude, seconds)] * 12)] * n)
    condition = condition or Condition(("AFIB", "LVH"), 80.0, 63.0, "F")
    return ECGBatch(signals, RATE, (condition,) * n, tuple(f"r{i}" for i in range(n)), provenance)


def traces(figure):
    """Only signals have more than six points."""
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) > 6]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def size_mm(figure):
    return tuple(figure.get_size_inches() * 25.4)
