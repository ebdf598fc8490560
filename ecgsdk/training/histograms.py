"""Histograms of training records, for the card: what a user leaves open is drawn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.drawing import relative_entropy, smoothed

if TYPE_CHECKING:
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared

__all__ = ["EDGES", "histograms"]

_FEWEST = 5
_FEWEST_ALONE = 50
EDGES: dict[str, list[float]] = {
    "heart_rate": [35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 130, 140, 150, 170],
    "rr_variation": [
        0,
        0.005,
        0.01,
        0.015,
        0.02,
        0.03,
        0.04,
        0.05,
        0.06,
        0.08,
        0.1,
        0.125,
        0.15,
        0.175,
        0.2,
        0.25,
        0.3,
        0.35,
        0.4,
        0.5,
        0.8,
    ],
    "age": [15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90],
}
"""Of the cells: bpm, standard deviation over mean, years."""


def histograms(prepared: Prepared, config: TrainConfig) -> dict[str, Any]:
    """Counts of records by heart rate, RR variation, age and sex, for all and for each statement.

    `telling` lists the statements for each figure, the one first whose counts differ most from all records'. RR
    variation is counted over the records without a more telling statement, if there are 50 of them: a normal ECG with
    premature beats must not make normal ECGs irregular. Cells of fewer than five records are emptied.
    """
    figures = {
        "heart_rate": prepared.heart_rate,
        "rr_variation": prepared.rr_variation(),
        "age": np.minimum(prepared.age, EDGES["age"][-1]),
        "sex": np.where(prepared.sex < 0, np.nan, prepared.sex),
    }
    codes = config.statements
    table: dict[str, Any] = {"edges": EDGES, "telling": {}, "all": {}, **{code: {} for code in codes}}
    for name, values in figures.items():
        everyone = _counts(values, name)
        own = [_counts(values[rows], name) for rows in prepared.statements.T]
        entropy = np.array([relative_entropy(smoothed(counts), smoothed(everyone)) for counts in own])
        table["telling"][name] = [codes[position] for position in np.argsort(-entropy, kind="stable")]
        table["all"][name] = everyone
        if name == "rr_variation":
            own = _without_more_telling(values, prepared.statements, entropy, own)
        for code, counts in zip(codes, own):
            table[code][name] = counts
    return table


def _counts(values: np.ndarray, name: str) -> list[int]:
    counts = np.histogram(values, EDGES.get(name, [0, 0.5, 1]))[0]
    return np.where(counts < _FEWEST, 0, counts).tolist()


def _without_more_telling(
    values: np.ndarray, statements: np.ndarray, entropy: np.ndarray, own: list[list[int]]
) -> list[list[int]]:
    most = np.where(statements, entropy, -1).argmax(axis=1)
    rows = [statements[:, position] & (most == position) for position in range(len(own))]
    return [_counts(values[r], "rr_variation") if r.sum() >= _FEWEST_ALONE else counts for r, counts in zip(rows, own)]
