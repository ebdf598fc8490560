"""Conditions and beat times as the arrays that the networks take, the same in training and in generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.conditions import Condition, Span

__all__ = [
    "BEAT_CHANNELS",
    "VARIATION",
    "condition_width",
    "encode_beats",
    "encode_conditions",
    "encode_variation",
    "statement_columns",
]

BEAT_CHANNELS = 4
VARIATION = 0.05
"""RR variation that is encoded as 0."""

_FARTHEST_S = 2.0


def condition_width(statements: Sequence[str]) -> int:
    """Length of a condition vector over these statements."""
    return len(statements) + 7


def statement_columns(statements: Sequence[str], codes: Sequence[str]) -> list[int]:
    """Where a condition vector over these statements holds some codes; codes that are not among them are left out."""
    return [1 + statements.index(code) for code in codes if code in statements]


def encode_conditions(conditions: Sequence[Condition], statements: Sequence[str]) -> np.ndarray:
    """Condition vectors, float32, shape (n, condition_width).

    Columns: statements known (1 or 0), one for each statement, then heart rate known, log(heart rate / 75) / 0.3,
    age known, (age − 60) / 20, male, female. What is unknown is all zeros; statements other than the model's are
    left out. Heart rate and age must be single numbers (spans are drawn from before).
    """
    rows = np.zeros((len(conditions), condition_width(statements)), dtype=np.float32)
    columns = {code: 1 + position for position, code in enumerate(statements)}
    tail = 1 + len(statements)
    for row, condition in zip(rows, conditions):
        row[0] = bool(condition.statements)
        for code in condition.statements:
            if code in columns:
                row[columns[code]] = 1
        heart_rate, age = _single(condition.heart_rate), _single(condition.age)
        if heart_rate is not None:
            row[tail : tail + 2] = 1, np.log(heart_rate / 75) / 0.3
        if age is not None:
            row[tail + 2 : tail + 4] = 1, (age - 60) / 20
        if condition.sex is not None:
            row[tail + (4 if condition.sex == "M" else 5)] = 1
    return rows


def _single(value: float | Span | None) -> float | None:
    if isinstance(value, tuple):
        raise ValueError(f"a span {value} must be drawn from before it is encoded")
    return value


def encode_variation(rr_variation: np.ndarray) -> np.ndarray:
    """RR variation (standard deviation over mean) as log(variation / 0.05), float32, (n,) → (n, 1); 0.004 to 0.8."""
    return np.log(np.clip(rr_variation, 0.004, 0.8) / VARIATION).astype(np.float32)[:, None]


def encode_beats(beats: np.ndarray, tokens: int, seconds: float) -> np.ndarray:
    """Beat times as channels over time, float32, shape (n, 4, tokens).

    Channels: beats known (1), a bump one token wide at each beat, seconds since the last and to the next beat
    (2 s at most, 2 s where there is none inside the record).

    Args:
        beats: seconds from the record's start, shape (n, most beats), rising, NaN where there are no more.
        tokens: time steps of the latent signal.
        seconds: length of the record.
    """
    most = int((~np.isnan(beats)).sum(axis=1).max(initial=0))
    beats = beats[:, :most]
    width = seconds / tokens
    centres = (np.arange(tokens) + 0.5) * width
    away = centres[None, None, :] - beats[:, :, None]
    gone = np.isnan(away)
    bump = np.where(gone, 0, np.exp(-0.5 * (away / width) ** 2)).sum(axis=1)
    since = np.where(gone | (away < 0), _FARTHEST_S, away).min(axis=1, initial=_FARTHEST_S)
    until = np.where(gone | (away >= 0), _FARTHEST_S, -away).min(axis=1, initial=_FARTHEST_S)
    return np.stack([np.ones_like(bump), bump, since, until], axis=1).astype(np.float32)
