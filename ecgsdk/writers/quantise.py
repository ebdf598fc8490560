"""From millivolts to 16-bit integers so that the lead equations survive the rounding."""

from __future__ import annotations

import numpy as np

from ecgsdk.leads import to_eight, to_twelve

__all__ = ["LARGEST", "quantise"]

LARGEST = 32767
"""Largest magnitude written: −32768 marks an invalid sample in WFDB."""


def quantise(signals: np.ndarray, millivolts_per_unit: float, *, derive_leads: bool = True) -> np.ndarray:
    """Signals in units of `millivolts_per_unit`, clipped to ±32767.

    With `derive_leads`, only I, II and V1–V6 are rounded and the other four come from the rounded ones: III = II − I
    then holds exactly, and Goldberger's equations and I + III = II to within one unit, as in `ecgsdk.leads.to_twelve`.
    Without it each lead is rounded for itself, as befits recorded ECGs.

    Args:
        signals: mV, shape (n, 12, samples), finite, leads in the order of `ecgsdk.leads.LEADS`.
        millivolts_per_unit: size of a unit.
        derive_leads: whether the augmented leads and III are computed anew.

    Returns:
        int16, shape (n, 12, samples).
    """
    if derive_leads:
        units = np.rint(to_twelve(_rounded(to_eight(signals), millivolts_per_unit)))
        return np.clip(units, -LARGEST, LARGEST).astype(np.int16)
    return _rounded(signals, millivolts_per_unit).astype(np.int16)


def _rounded(signals: np.ndarray, millivolts_per_unit: float) -> np.ndarray:
    """Whole numbers as float32, which holds all of 24 bits exactly."""
    units = signals * np.float32(1 / millivolts_per_unit)
    return np.clip(np.rint(units, out=units), -LARGEST, LARGEST, out=units)
