"""From records to their Profile: one pass over the signals, spread over threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.resampling import resample
from ecgsdk.runtime import available_cores
from ecgsdk.validation.fidelity.spectra import lead_correlations, spectra
from ecgsdk.validation.physiology.intervals import FIGURES, measure_records
from ecgsdk.validation.profile import COARSE_RATE, Profile
from ecgsdk.validation.records import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.fidelity.encoder import Encoder
    from ecgsdk.validation.records import Records

__all__ = ["measure_profile"]

_BATCH = 64
_LAYOUT = 2
"""Raised when what is measured changes, so that older caches are not taken."""


def measure_profile(
    records: Records,
    encoder: Encoder,
    *,
    cache: Cache,
    advance: Callable[[int], object] = lambda n: None,
) -> Profile:
    """Measurements of all records.

    Args:
        encoder: of the features.
        cache: keeps the measurements, under the records' content.
        advance: is told the number of records measured, batch by batch.
    """
    facts = {"records": records.key, "encoder": encoder.sha256, "figures": sorted(FIGURES), "layout": _LAYOUT}
    kept = cache.arrays("profile", facts, lambda: _measured(records, encoder, advance))
    return Profile(
        conditions=records.conditions,
        features=kept["features"],
        spectra=kept["spectra"],
        correlations=kept["correlations"],
        beats=kept["beats"],
        coarse=kept["coarse"],
        figures={name: kept[f"figure_{name}"] for name in FIGURES},
        residuals=records.residuals,
    )


def _measured(records: Records, encoder: Encoder, advance: Callable[[int], object]) -> dict[str, np.ndarray]:
    parts = []
    for part in _in_threads(records, encoder):
        parts.append(part)
        advance(len(part["features"]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _in_threads(records: Records, encoder: Encoder) -> Iterator[dict[str, np.ndarray]]:
    """The measurements of batch after batch, a few batches ahead."""
    waiting: deque[Future[dict[str, np.ndarray]]] = deque()
    with ThreadPoolExecutor(available_cores()) as pool:
        for batch in records.batches(_BATCH):
            waiting.append(pool.submit(_of_batch, batch, encoder))
            if len(waiting) > 2 * available_cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _of_batch(batch: Records, encoder: Encoder) -> dict[str, np.ndarray]:
    twelve = batch.twelve()
    eight = batch.eight()
    figures, beats = measure_records(twelve, RATE)
    return {
        "features": encoder.features(eight),
        "spectra": spectra(eight, RATE),
        "correlations": lead_correlations(eight),
        "beats": beats,
        "coarse": resample(eight, RATE, COARSE_RATE),
        **{f"figure_{name}": values for name, values in figures.items()},
    }
