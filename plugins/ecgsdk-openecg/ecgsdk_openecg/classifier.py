"""openecg as a fixed classifier: its labels, and the SCP-ECG statements that stand for them in its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk_openecg.reader import RATE, RHYTHMS, SECONDS, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openecg import EcgReport

    from ecgsdk.classifiers import Units
    from ecgsdk_openecg.reader import Reading

__all__ = ["LABELS", "STATEMENTS", "OpenECGClassifier"]

_AFIB_RULE = "afib rule"
_FLAGS = ("ventricular_ectopy", "bradycardia", "tachycardia")

LABELS: tuple[str, ...] = (*RHYTHMS, _AFIB_RULE, *_FLAGS)
"""openecg's six rhythms, its rule for atrial fibrillation from RR intervals, and three flags of its report.

Left out: its rule for pacemaker spikes, which last a millisecond or two and are not in an ECG of 100 Hz.
"""

STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "avb": ("1AVB", "2AVB", "3AVB"),
    "paced": ("PACE",),
    "afib": ("AFIB", "AFLT", "SVTAC", "PSVT"),
    "bbb": ("CLBBB", "CRBBB"),
    _AFIB_RULE: ("AFIB",),
    "ventricular_ectopy": ("PVC",),
}
"""What openecg 0.11 says that its labels mean (openecg/rhythm.py, afib.py, report.py), in statements.

Not mapped: "sinus", which is whatever is none of the other five; "ventricular", a ventricular rhythm, for which PTB-XL
has no statement; "bradycardia" and "tachycardia", rates below 60 and above 100 in any rhythm.
"""


class OpenECGClassifier:
    """What openecg calls from lead II. Rhythms have probabilities; the rule and the flags are 0 or 1.

    A rhythm is called from 0.5 on, which is openecg's own call, the rhythm of most of six seconds, in more than 99 %
    of PTB-XL's fold 9. Nothing is called of an ECG in which openecg finds no beat.

    Attributes:
        reader: runs openecg.
    """

    labels = LABELS
    statements = STATEMENTS
    sampling_rate = float(RATE)
    leads: tuple[str, ...] = ("II",)
    units: Units = "mV"
    seconds = float(SECONDS)
    most_records = 2_000

    def __init__(self) -> None:
        self.reader = Reader()

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record, shape (n, labels), of signals (n, 1, 5000)."""
        rows = [_row(reading) for reading in self.reader.read_all(signals[:, 0])]
        return np.array(rows, dtype=np.float64).reshape(len(signals), len(LABELS))


def _row(reading: Reading | None) -> np.ndarray:
    return np.zeros(len(LABELS)) if reading is None else np.concatenate([reading.rhythm, _findings(reading.report)])


def _findings(report: EcgReport) -> list[float]:
    return [float(report.afib_check["is_afib"]), *(float(flag in report.flags) for flag in _FLAGS)]
