"""A metric: how far apart the intervals of real and synthetic ECGs are, as openecg measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.agreement.fixed import prepared
from ecgsdk.validation.physiology.wasserstein import wasserstein_1
from ecgsdk_openecg.classifier import OpenECGClassifier

if TYPE_CHECKING:
    from ecgsdk.batch import ECGBatch

__all__ = ["FIGURES", "MOST_RECORDS", "IntervalDistances"]

MOST_RECORDS = 200
"""Records of each set that are measured: about 55 ms of processor time each."""

FIGURES = {"pr_ms": "pr", "qrs_ms": "qrs_duration", "qt_ms": "qt", "p_ms": "p_duration"}
"""Names of the distances, and openecg's of the intervals: medians over a record's beats."""


class IntervalDistances:
    """The metric: Wasserstein distances of PR, QRS, QT and P duration in ms, and of the heart rate in bpm."""

    def __init__(self) -> None:
        self._classifier = OpenECGClassifier()

    def __call__(self, real: ECGBatch, synthetic: ECGBatch) -> dict[str, float]:
        """The distance by name; NaN where openecg measures the figure in no record of one of the sets."""
        first, second = self._measured(real), self._measured(synthetic)
        return {name: wasserstein_1(first[name], second[name]) for name in first}

    def _measured(self, batch: ECGBatch) -> dict[str, np.ndarray]:
        """Each figure of the records in which openecg finds it."""
        traces = prepared(batch.signals[:MOST_RECORDS], batch.sampling_rate, self._classifier)
        readings = self._classifier.reader.read_all(traces[:, 0])
        reports = [reading.report for reading in readings if reading is not None]
        found = {name: [report.intervals_ms[key] for report in reports] for name, key in FIGURES.items()}
        found["heart_rate_bpm"] = [report.heart_rate["bpm"] or None for report in reports]
        return {name: np.array([value for value in values if value is not None]) for name, values in found.items()}
