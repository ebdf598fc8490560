"""PTB-XL's rates: what was recorded at 400 Hz, and how its records500 and records100 are made of that.

Each lead of records500 is the natural cubic spline through samples at 400 Hz in steps of 5 µV, rounded to 1 µV. Over
434 records of folds 1 to 9 this holds for all samples but one in two million. records100 are records500, filtered.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "COARSE_RATE",
    "DELAY",
    "FACTOR",
    "FINE_RATE",
    "MARGIN",
    "RECORDED_RATE",
    "SPLINE_REACH",
    "STEP_MV",
    "cardinal_spline",
    "decimated",
    "recorded",
    "spline_kernels",
    "splined",
    "stepped",
]

COARSE_RATE = 100
RECORDED_RATE = 400
FINE_RATE = 500

FACTOR = 4
"""Samples at 400 Hz for one at 100 Hz."""

DELAY = 0.5
"""Where a sample of PTB-XL's records100 stands at 400 Hz: sample n at 4 n + 0.5, found by least squares."""

STEP_MV = 0.005
"""Of the recorder."""

SPLINE_REACH = 8
"""Samples at 400 Hz on each side that a sample at 500 Hz is taken to depend on; the next count 1e-4."""

MARGIN = 96
"""Samples at 400 Hz before and behind a record that its 100 Hz version takes in."""

_SOURCE_REACH = 110
_CUTOFF_HZ = 44.58
_HALF_WIDTH = 108.0
_SHAPE = 6.7
_BLOCKS = 8
_POLE = 3**0.5 - 2


def cardinal_spline(times: np.ndarray) -> np.ndarray:
    """The cubic spline that is 1 at 0 and 0 at all other whole numbers, at any times.

    Unser, Aldroubi and Eden 1993 (IEEE Transactions on Signal Processing 41, 821), of cubic B-splines.
    """
    spline = np.zeros_like(times, dtype=float)
    for shift in range(-30, 31):
        away = np.abs(times - shift)
        b_spline = np.where(away < 1, 2 / 3 - away**2 + away**3 / 2, np.clip(2 - away, 0, None) ** 3 / 6)
        spline += 3**0.5 * _POLE ** abs(shift) * b_spline
    return spline


def splined(signals: Tensor) -> Tensor:
    """Signals at 400 Hz, (n, leads, samples), by cubic splines at 500 Hz, (n, leads, samples · 5 / 4)."""
    edged = F.pad(signals, (SPLINE_REACH, SPLINE_REACH), mode="replicate")
    phases = F.conv2d(edged[:, None], spline_kernels().to(signals), stride=(1, 4))
    return phases.permute(0, 2, 3, 1).flatten(2)


@cache
def spline_kernels() -> Tensor:
    """Of each of the five phases at 500 Hz, (5, 1, 1, taps)."""
    kernels = cardinal_spline(0.8 * np.arange(5)[:, None] - np.arange(-SPLINE_REACH, SPLINE_REACH + 4))
    return torch.tensor(kernels / kernels.sum(axis=1, keepdims=True), dtype=torch.float32)[:, None, None]


def recorded(signals: np.ndarray) -> np.ndarray:
    """What was recorded at 400 Hz, of PTB-XL's records500.

    Args:
        signals: mV at 500 Hz, (n, leads, samples), a multiple of five samples.

    Returns:
        int16 steps of 5 µV, (n, leads, samples · 4 / 5).
    """
    rows = np.arange(-5 * _BLOCKS, 5 * _BLOCKS + 6)
    columns = np.arange(rows[0], rows[-1] + 1)
    inverse = np.linalg.pinv(cardinal_spline(0.8 * rows[:, None] - columns))
    first = int(np.flatnonzero(columns == 0)[0])
    edged = np.pad(signals, ((0, 0), (0, 0), (-rows[0], rows[-1])), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(edged, len(rows), axis=2)[:, :, ::5]
    blocks = windows[:, :, : signals.shape[2] // 5] @ inverse[first : first + 4].T
    return np.rint(blocks.reshape(*signals.shape[:2], -1) / STEP_MV).astype(np.int16)


def decimated(signals: Tensor) -> Tensor:
    """Signals at 400 Hz with a margin on both sides, (n, leads, samples + 192) → (n, leads, samples / 4) at 100 Hz."""
    kernel = torch.tensor(_coarse_filter(), dtype=torch.float32, device=signals.device)[None, None]
    flat = F.pad(signals.flatten(0, 1)[:, None], (0, FACTOR))
    samples = (signals.shape[-1] - 2 * MARGIN) // FACTOR
    return F.conv1d(flat, kernel, stride=FACTOR)[:, 0, :samples].unflatten(0, signals.shape[:2])


def stepped(signals: Tensor) -> Tensor:
    """Signals (mV) in the recorder's steps; gradients pass through."""
    steps = torch.round(signals.detach() / STEP_MV) * STEP_MV
    return signals + (steps - signals.detach()) if signals.requires_grad else steps


@cache
def _coarse_filter() -> np.ndarray:
    """Splines and the filter from records500 to records100 in one, at 400 Hz."""
    times = np.arange(-_SOURCE_REACH, _SOURCE_REACH + 1) * RECORDED_RATE / FINE_RATE
    kernel = _source_filter() @ cardinal_spline(times[:, None] - np.arange(-MARGIN, MARGIN + FACTOR))
    return kernel / kernel.sum()


def _source_filter() -> np.ndarray:
    """The filter by which PTB-XL's records100 come from its records500, 221 taps at 500 Hz.

    A sinc under a Kaiser window: whole up to 40 Hz, half at 44.6 Hz, nothing from 50 Hz on. Its four numbers are fitted
    to the filter that least squares find between the two versions of 434 records; it gives records100 with a root mean
    square error of 0.33 µV, where rounding to 1 µV alone makes 0.29.
    """
    times = np.arange(-_SOURCE_REACH, _SOURCE_REACH + 1) - DELAY * FINE_RATE / RECORDED_RATE
    window = np.i0(_SHAPE * np.sqrt(np.clip(1 - (times / _HALF_WIDTH) ** 2, 0, 1))) * (abs(times) < _HALF_WIDTH)
    taps = np.sinc(2 * _CUTOFF_HZ / FINE_RATE * times) * window
    return taps / taps.sum()
