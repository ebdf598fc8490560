"""Likenesses: real ECGs of which a nearly equal one is among others, in the same phase of the heart beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ecgsdk.validation.records import Records

__all__ = ["LIKENESS", "has_likeness"]

LIKENESS = 0.9
"""Correlation from which on two ECGs are taken for one recording. Two people's do not beat together for ten seconds."""

_AVERAGED = 5
_AT_ONCE = 256


def has_likeness(records: Records, others: Records) -> np.ndarray:
    """Whether each record has one among the others that goes with it sample by sample, whatever its size.

    Compared are eight leads at 20 Hz, their averages over 50 ms, without their means.

    Returns:
        bool, shape (len(records),).
    """
    wanted, found = _coarse(records), np.zeros(len(records), dtype=bool)
    for part in others.batches(_AT_ONCE):
        found |= (wanted @ _coarse(part).T > LIKENESS).any(axis=1)
    return found


def _coarse(records: Records) -> np.ndarray:
    """Slow samples of length one, shape (n, 8 × 200); zeros for a flat record."""
    n, leads, samples = records.microvolts.shape
    averages = records.microvolts.reshape(n, leads, samples // _AVERAGED, _AVERAGED).mean(axis=3, dtype=np.float32)
    flat = (averages - averages.mean(axis=2, keepdims=True)).reshape(n, -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
