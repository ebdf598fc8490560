"""Averaged beats: correlated out of signals with impulses at their beats, and laid out at impulses again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ecgsdk.usual_beats import AFTER, BEFORE

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LENGTH", "correlated", "laid_out"]

LENGTH = BEFORE + AFTER
"""Samples of an averaged beat."""

# Samples by which impulses are moved at a time.
_STEP = 8


def correlated(signals: Tensor, train: Tensor) -> Tensor:
    """The mean over a record's beats of what is around them, (n, leads, 88).

    Args:
        signals: (n, leads, samples).
        train: impulses at the beats over their number, (n, samples).
    """
    samples = int(signals.shape[2])  # a fixed number in a graph
    later, padded = _later(train).transpose(1, 2), F.pad(signals, (_STEP - 1, _STEP - 1))
    phases = [padded[:, :, d : d + samples + _STEP - 1] @ later for d in range(_STEP)]
    return torch.stack(phases, dim=3).flatten(2)


def laid_out(beats: Tensor, train: Tensor) -> Tensor:
    """A beat of each record laid out at its impulses, (n, leads, samples).

    Args:
        beats: (n, leads, 88).
        train: impulses, (n, samples).
    """
    samples, later = int(train.shape[1]), _later(train)
    signals = (beats[:, :, ::_STEP] @ later)[:, :, _STEP - 1 :]
    for d in range(1, _STEP):
        first = _STEP - 1 - d
        signals = signals + (beats[:, :, d::_STEP] @ later)[:, :, first : first + samples]
    return signals


def _later(train: Tensor) -> Tensor:
    """Impulses (n, samples) moved to every eighth sample of a beat, (n, 11, 7 + samples).

    All samples would take eight times the memory; those between come of moving what the impulses are multiplied with.
    """
    samples = int(train.shape[1])
    padded = F.pad(train, (AFTER - 1, BEFORE + _STEP))
    rows, length = LENGTH // _STEP, samples + LENGTH + _STEP - 1
    # Rows eight samples shorter than what is repeated: each begins eight samples earlier in it.
    repeated = padded[:, None].expand(-1, rows, -1).reshape(-1, rows * length)
    moved = repeated[:, : rows * (length - _STEP)].reshape(-1, rows, length - _STEP)
    return moved[:, :, LENGTH - _STEP :]
