"""What is said beside a drawn ECG: its statements, what they mean, its heart rate, and whose it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.beats import detect_beats, heart_rate
from ecgsdk.conditions import STATEMENTS, format_span

if TYPE_CHECKING:
    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.conditions import Condition, Span

__all__ = ["maker", "meanings", "patient", "rate_text", "statement_codes"]


def statement_codes(condition: Condition) -> str:
    """The statements' codes: "AFIB + LVH"."""
    return " + ".join(condition.statements) or "no statements"


def meanings(condition: Condition) -> str:
    """The known statements in words: "atrial fibrillation; left ventricular hypertrophy"."""
    return "; ".join(STATEMENTS[code] for code in condition.statements if code in STATEMENTS)


def patient(condition: Condition) -> list[str]:
    """What is known of age and sex: "age 63", "sex F"."""
    age = [] if condition.age is None else [f"age {_whole(condition.age)}"]
    return age + ([] if condition.sex is None else [f"sex {condition.sex}"])


def rate_text(record: ECGBatch) -> str:
    """The heart rate that a batch's first record shows; beside it the one asked for, when the ECG is synthetic."""
    measured = heart_rate(detect_beats(np.nan_to_num(record.signals[:1]), record.sampling_rate)[0])
    text = "heart rate not measurable" if math.isnan(measured) else f"heart rate {measured:.0f} bpm"
    asked = record.conditions[0].heart_rate
    return f"{text} (asked for {_whole(asked)})" if record.synthetic and asked is not None else text


def maker(provenance: Provenance) -> str:
    """What made a synthetic ECG: "ptbxl-flow, seed 7, ecgsdk 0.1.0"."""
    strength = "" if provenance.strength is None else f", strength {provenance.strength:g}"
    return f"{provenance.model}{strength}, seed {provenance.seed}, ecgsdk {provenance.version}"


def _whole(value: float | Span) -> str:
    """Without the decimals that a draw has and nobody asked for."""
    return format_span(value) if isinstance(value, tuple) else f"{value:.0f}"
