"""From millivolts to 16-bit integers so that the lead equations survive the rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS, fill_derived_leads

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LARGEST", "quantise"]

LARGEST = 32767
"""Largest magnitude written: −32768 marks an invalid sample in WFDB."""

# Samples of a lead at a time, of several records: their floats stay in the cache.
_SAMPLES_AT_ONCE = 8000


def quantise(
    signals: np.ndarray,
    millivolts_per_unit: float,
    *,
    derive_leads: bool = True,
    identifiers: Sequence[str] | None = None,
) -> np.ndarray:
    """Signals in units of `millivolts_per_unit`, of magnitude 32767 at most.

    With `derive_leads`, only I, II and V1–V6 are rounded and the other four come from the rounded ones: III = II − I
    then holds exactly, and Goldberger's equations and I + III = II to within one unit, as in `ecgsdk.leads.to_twelve`.
    Without it each lead is rounded for itself, as befits recorded ECGs.

    Args:
        signals: mV, shape (n, 12, samples), finite, leads in the order of `ecgsdk.leads.LEADS`.
        millivolts_per_unit: size of a unit.
        derive_leads: whether the augmented leads and III are computed anew.
        identifiers: names of the records for messages; None counts them from 0.

    Returns:
        int16, shape (n, 12, samples).

    Raises:
        WriteError: a sample is beyond ±32767 units.
    """
    quantised = np.empty(signals.shape, dtype=np.int16)
    at_once = max(1, _SAMPLES_AT_ONCE // max(1, signals.shape[2]))
    for first in range(0, len(signals), at_once):
        some = slice(first, first + at_once)
        units = _units(signals[some], millivolts_per_unit, derive_leads=derive_leads)
        if units.size and not (units.min() >= -LARGEST and units.max() <= LARGEST):
            names = range(len(signals)) if identifiers is None else identifiers
            raise WriteError(_beyond(units, millivolts_per_unit, names[some]))
        quantised[some] = units
    return quantised


def _units(signals: np.ndarray, millivolts_per_unit: float, *, derive_leads: bool) -> np.ndarray:
    """Whole numbers as float32, which holds all of 24 bits exactly."""
    # What overflows is infinite, or no number after that, and found to be too large.
    with np.errstate(over="ignore", invalid="ignore"):
        units = signals * np.float32(1 / millivolts_per_unit)
        np.rint(units, out=units)
        if derive_leads:
            halves = fill_derived_leads(units)[:, 3:6]  # the augmented leads
            np.rint(halves, out=halves)
    return units


def _beyond(units: np.ndarray, millivolts_per_unit: float, names: Sequence[object]) -> str:
    record, lead = np.argwhere(~(np.abs(units) <= LARGEST).all(axis=2))[0]
    bound = f"{LARGEST * millivolts_per_unit:g} mV, the most that 16 bits hold"
    return f"record {names[record]}: lead {LEADS[lead]} goes beyond ±{bound}; mend its unit, or write NPZ"
