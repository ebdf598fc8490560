"""The twelve standard leads from the channels of a file, by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS, standard_lead, to_twelve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["find_leads", "lead_of", "twelve_leads"]

# EDF+ writes "ECG V1", DICOM's meanings are "Lead I (Einthoven)", HL7's codes MDC_ECG_LEAD_AVR.
_BEFORE = re.compile(r"^(?:MDC_ECG_LEAD_|(?:ECG|EKG|LEAD)[\s_:-]*)+", re.IGNORECASE)
_AFTER = re.compile(r"\s*\([A-Za-z]+\)$")


def lead_of(label: str) -> str | None:
    """The standard lead that a channel's label names, such as "ECG V1" or "MDC_ECG_LEAD_AVR"; None for any other."""
    bare = _AFTER.sub("", _BEFORE.sub("", label.strip()[:64]))
    try:
        return standard_lead(bare)
    except DataError:
        return None


def find_leads(name: str | Path, labels: Sequence[str], mend: str = "") -> dict[str, int]:
    """Positions of the standard leads among `labels`; other channels are left out.

    Args:
        name: the file.
        labels: what it calls its channels.
        mend: what can be done about missing leads, after a comma.

    Raises:
        DataError: a lead occurs twice, or leads are missing that cannot be computed from others.
    """
    found: dict[str, int] = {}
    for position, label in enumerate(labels):
        lead = lead_of(label)
        if lead is None:
            continue
        if lead in found:
            raise DataError(f"{name}: lead {lead} occurs twice")
        found[lead] = position
    missing = [lead for lead in INDEPENDENT_LEADS if lead not in found]
    if missing:
        raise DataError(f"{name}: lead {', '.join(missing)} missing; ecgsdk needs I, II and V1 to V6{mend}")
    return found


def twelve_leads(found: Mapping[str, np.ndarray]) -> np.ndarray:
    """All 12 leads, of which III, aVR, aVL and aVF are computed where they are missing.

    They follow from I and II by the equations of Einthoven and Goldberger (`ecgsdk.leads.to_twelve`); those that the
    file holds are taken as they are.

    Args:
        found: samples in mV by lead, I, II and V1–V6 at least.

    Returns:
        float32 mV, shape (12, samples).
    """
    # What is no number stays none, and is refused by whoever needs numbers.
    with np.errstate(invalid="ignore", over="ignore"):
        signals = to_twelve(np.stack([found[lead] for lead in INDEPENDENT_LEADS]).astype(np.float32))
        for row, lead in enumerate(LEADS):
            if lead in found:
                signals[row] = found[lead]
    return signals
