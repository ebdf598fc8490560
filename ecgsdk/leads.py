"""Lead names and order, and the arithmetic from 8 independent leads to 12."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecgsdk.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["INDEPENDENT_LEADS", "LEADS", "fill_derived_leads", "lead_indices", "standard_lead", "to_eight", "to_twelve"]

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

_BY_LOWER_CASE = {name.lower(): name for name in LEADS}


def standard_lead(name: str) -> str:
    """The name in `LEADS` of a lead; case, blanks and a leading "lead" do not matter: "AVR", "avr", "Lead aVR".

    Raises:
        DataError: it is none of the twelve.
    """
    standard = _BY_LOWER_CASE.get(name.lower().replace(" ", "").removeprefix("lead"))
    if standard is None:
        raise DataError(f"lead {name!r} is not one of the 12 standard leads ({', '.join(LEADS)})")
    return standard


def lead_indices(names: Sequence[str]) -> list[int]:
    """Positions in `names` of the 12 standard leads, in the order of `LEADS`.

    Names are understood as `standard_lead` does.

    Raises:
        DataError: a standard lead is missing or doubled, or there is a lead that is none of the twelve.
    """
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        standard = standard_lead(name)
        if standard in found:
            raise DataError(f"lead {standard} occurs twice")
        found[standard] = position
    missing = [name for name in LEADS if name not in found]
    if missing:
        raise DataError(f"lead {', '.join(missing)} missing; ecgsdk needs all 12 standard leads")
    return [found[name] for name in LEADS]


def to_eight(twelve: np.ndarray) -> np.ndarray:
    """Leads I, II, V1–V6 of signals with the leads of `LEADS` on the last axis but one."""
    return twelve[..., [LEADS.index(name) for name in INDEPENDENT_LEADS], :]


def to_twelve(eight: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """All 12 leads from I, II, V1–V6 on the last axis but one, same units and dtype.

    Einthoven: III = II − I. Goldberger: aVR = −(I + II)/2, aVL = I − II/2, aVF = II − I/2
    (Kligfield et al. 2007, Circulation 115:1306).

    Args:
        eight: leads I, II, V1–V6, shape (…, 8, samples).
        out: where the 12 leads go, shape (…, 12, samples); default: a new array.
    """
    import numpy as np

    twelve = np.empty((*eight.shape[:-2], len(LEADS), eight.shape[-1]), eight.dtype) if out is None else out
    twelve[..., :2, :] = eight[..., :2, :]
    twelve[..., 6:, :] = eight[..., 2:, :]
    return fill_derived_leads(twelve)


def fill_derived_leads(twelve: np.ndarray) -> np.ndarray:
    """Fills III, aVR, aVL and aVF of 12 leads from I and II, in place, as `to_twelve` has them; gives them back."""
    one, two = twelve[..., 0, :], twelve[..., 1, :]
    # Lead by lead: what lies between is small, and stays in the cache.
    twelve[..., 2, :] = two - one
    twelve[..., 3, :] = -(one + two) / 2
    twelve[..., 4, :] = one - two / 2
    twelve[..., 5, :] = two - one / 2
    return twelve
