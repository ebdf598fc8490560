"""An ECG as text that a page can hold and its script can read: steps between microvolts, most of them in one byte."""

from __future__ import annotations

import base64

import numpy as np

from ecgsdk.validation.report.strips import MISSING

__all__ = ["MISSING", "microvolts", "pack"]

_LARGE = 128


def microvolts(signals: np.ndarray) -> np.ndarray:
    """Signals in mV as int16 µV, same shape, limited to ±32.767 mV; what is no number becomes `MISSING`."""
    rounded = np.clip(np.rint(np.nan_to_num(signals) * 1000.0), -32767, 32767).astype(np.int16)
    return np.where(np.isfinite(signals), rounded, np.int16(MISSING))


def pack(values: np.ndarray) -> str:
    """Rows of int16, shape (rows, samples), as base64.

    Each row is the steps from 0 to its first value and from value to value, modulo 2¹⁶: a step within ±127 as one
    signed byte, any other as the byte 128 and then the step in two bytes, the lower one first.
    """
    steps = np.diff(values.astype(np.int16), prepend=np.int16(0), axis=-1).astype("<i2").reshape(-1)
    small = (steps >= -127) & (steps <= 127)
    packed = np.empty((len(steps), 3), dtype=np.uint8)
    packed[:, 0] = np.where(small, steps & 0xFF, _LARGE)
    packed[:, 1:] = steps.view(np.uint8).reshape(-1, 2)
    kept = np.stack([np.ones_like(small), ~small, ~small], axis=1)
    return base64.b64encode(packed[kept].tobytes()).decode("ascii")
