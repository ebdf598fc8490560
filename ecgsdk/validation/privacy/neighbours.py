"""Nearest neighbours of records in several views of an ECG, in blocks that keep memory small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecgsdk.validation.profile import Profile

__all__ = ["SHIFTED", "VIEWS", "Neighbours", "merge", "nearest", "search", "shifted", "views"]

VIEWS = ("features", "beats", "waveform")
"""Ways to lay out a record as a vector: encoder features, median beat, and the ten seconds themselves."""

SHIFTED = "shifted"
"""Name of the waveform compared at the best shift in time."""

_LEADS = 8
_BLOCK_BYTES = 64 * 2**20
_BLOCK_NUMBERS = 2**21


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbours of n records among others, nearest first.

    Attributes:
        distances: float32, shape (n, k); infinite where there are fewer than k others, NaN where the record is.
        indices: their positions among the others, shape (n, k).
    """

    distances: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.distances)


def views(profiles: Sequence[Profile], scale_by: int) -> list[dict[str, np.ndarray]]:
    """The records of each profile as vectors, whose Euclidean distance tells how unlike two records are.

    Features are divided by their standard deviation over the records of `profiles[scale_by]`. Median beats, and
    waveforms without each lead's median, are brought to length 1: a generator trained on ECGs of jittered amplitude
    gives its copies at any gain. Records without a median beat are NaN.

    Returns:
        For each profile float32 of shape (n, dimensions) by the names of `VIEWS`.
    """
    spread = profiles[scale_by].features.std(axis=0)
    kept = spread > 0
    return [
        {
            "features": (profile.features[:, kept] / spread[kept]).astype(np.float32),
            "beats": _unit(profile.beats),
            "waveform": _unit(profile.coarse - np.median(profile.coarse, axis=-1, keepdims=True)),
        }
        for profile in profiles
    ]


def _unit(signals: np.ndarray) -> np.ndarray:
    flat = signals.reshape(len(signals), -1).astype(np.float32)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def search(records: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], k: int) -> dict[str, Neighbours]:
    """The nearest of `others` for each record, in each of `VIEWS` and, among all those found, in the `SHIFTED` one."""
    found = {name: nearest(records[name], others[name], k) for name in VIEWS}
    candidates = np.concatenate([neighbours.indices for neighbours in found.values()], axis=1)
    return found | {SHIFTED: shifted(records["waveform"], others["waveform"], candidates, k)}


def nearest(records: np.ndarray, others: np.ndarray, k: int) -> Neighbours:
    """The `k` nearest `others` of each record by Euclidean distance.

    Args:
        records: float32, shape (n, dimensions); a row with NaN gets NaN distances.
        others: float32, shape (m, dimensions); a row with NaN is never near.
    """
    rows, columns = (np.flatnonzero(~np.isnan(x).any(axis=1)) for x in (records, others))
    distances = np.full((len(records), k), np.nan, dtype=np.float32)
    indices = np.zeros((len(records), k), dtype=np.intp)
    distances[rows] = np.inf
    taken = min(k, len(columns))
    if not taken or not len(rows):
        return Neighbours(distances, indices)
    # Around their mean, squares are smaller, and so is the rounding of their differences.
    centre = others[columns].mean(axis=0)
    whole = others[columns] - centre
    squares = _squares(whole)
    size = max(1, _BLOCK_BYTES // (4 * len(columns)))
    for block in (rows[first : first + size] for first in range(0, len(rows), size)):
        part = records[block] - centre
        found = squares - 2 * (part @ whole.T)
        near = np.argpartition(found, taken - 1, axis=1)[:, :taken]
        found = np.take_along_axis(found, near, axis=1) + _squares(part)[:, None]
        order = np.argsort(found, axis=1, kind="stable")
        distances[block, :taken] = np.sqrt(np.maximum(np.take_along_axis(found, order, axis=1), 0))
        indices[block, :taken] = columns[np.take_along_axis(near, order, axis=1)]
    return Neighbours(distances, indices)


def merge(first: Neighbours, second: Neighbours, offset: int = 0) -> Neighbours:
    """The nearest among two sets of others; positions in the second set are counted on from `offset`."""
    distances = np.concatenate([first.distances, second.distances], axis=1)
    indices = np.concatenate([first.indices, second.indices + offset], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, : first.distances.shape[1]]
    return Neighbours(np.take_along_axis(distances, order, axis=1), np.take_along_axis(indices, order, axis=1))


def shifted(records: np.ndarray, others: np.ndarray, candidates: np.ndarray, k: int) -> Neighbours:
    """The `k` nearest of each record's candidates, each at the shift in time that brings it nearest.

    ‖x‖² + ‖y‖² − 2 times the greatest circular cross-correlation, summed over leads. Only candidates are tried: all
    pairs would take minutes, and a shifted copy is near in its median beat and its features.

    Args:
        records: waveforms, float32, shape (n, 8 × samples).
        others: shape (m, 8 × samples).
        candidates: positions among `others`, shape (n, c), of which some may occur twice; c ≥ k.
    """
    candidates, again = _each_once(candidates)
    spectra, other_spectra = _spectra(records), _spectra(others)
    squares, other_squares = _squares(records), _squares(others)
    found = np.empty(candidates.shape, dtype=np.float32)
    size = max(1, _BLOCK_NUMBERS // (candidates.shape[1] * spectra[:1].size))
    for block in (slice(first, first + size) for first in range(0, len(records), size)):
        cross = np.einsum("nlf,nclf->ncf", spectra[block].conj(), other_spectra[candidates[block]])
        greatest = np.fft.irfft(cross, n=records.shape[1] // _LEADS).max(axis=-1)
        found[block] = squares[block, None] + other_squares[candidates[block]] - 2 * greatest
    found = np.where(again, np.inf, np.sqrt(np.maximum(found, 0)))
    order = np.argsort(found, axis=1, kind="stable")[:, :k]
    return Neighbours(np.take_along_axis(found, order, axis=1), np.take_along_axis(candidates, order, axis=1))


def _each_once(candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The candidates in rising order, and whether each has occurred before."""
    ordered = np.sort(candidates, axis=1)
    return ordered, np.diff(ordered, axis=1, prepend=-1) == 0


def _spectra(waveforms: np.ndarray) -> np.ndarray:
    """Spectra of each lead, complex64, shape (n, 8, frequencies)."""
    samples = waveforms.shape[1] // _LEADS
    spectra = np.empty((len(waveforms), _LEADS, samples // 2 + 1), dtype=np.complex64)
    size = max(1, _BLOCK_NUMBERS // waveforms.shape[1])
    for block in (slice(first, first + size) for first in range(0, len(waveforms), size)):
        spectra[block] = np.fft.rfft(waveforms[block].reshape(-1, _LEADS, samples))
    return spectra


def _squares(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", vectors, vectors)
