"""What a user states of a recording whose file does not say it: its rate, its unit, its leads."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError
from ecgsdk.leads import INDEPENDENT_LEADS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Stated", "millivolts_per_unit"]

_MILLIVOLTS = {
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-6),
    **dict.fromkeys(("uv", "µv", "μv", "microvolt", "microvolts"), 1e-3),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1.0),
    **dict.fromkeys(("v", "volt", "volts"), 1e3),
}
_SIZE = re.compile(r"([\d.]{1,20}(?:[eE][-+]?\d{1,2})?)\s*(\D+)")


def millivolts_per_unit(text: str) -> float | None:
    """Millivolts in one unit of the name, such as "uV", or of a size and a name, such as "4.88 uV"; None if unknown."""
    name = text.strip()
    sized = _SIZE.fullmatch(name)
    try:
        size = float(sized[1]) if sized else 1.0
    except ValueError:
        return None
    known = _MILLIVOLTS.get((sized[2] if sized else name).strip().lower())
    return None if known is None or not 0 < size < math.inf else size * known


@dataclass(frozen=True)
class Stated:
    """Facts of the input that only count where the file is silent.

    Attributes:
        rate: Hz.
        unit: of one step of the numbers in the file: "mV", "uV", "V", or with a size, "4.88 uV".
        leads: names of the signals, in the order of the file.
    """

    rate: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.unit is not None and millivolts_per_unit(self.unit) is None:
            raise DataError(f"input unit {self.unit!r} is unknown; use mV, uV, V, or a size such as '4.88 uV'")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise DataError(f"an input rate of {self.rate} Hz is not possible; give a positive number")

    def sampling_rate(self, name: object, found: float | None) -> float:
        """The rate in Hz that the file gives, or else the stated one.

        Raises:
            DataError: there is neither, or the two differ.
        """
        if found is None:
            if self.rate is None:
                raise DataError(f"{name} does not say its sampling rate; state it with input_rate= (--input-rate)")
            return float(self.rate)
        if self.rate is not None and not math.isclose(self.rate, found, rel_tol=1e-3):
            raise DataError(f"{name} has {found:g} Hz, not {self.rate:g}; leave out input_rate= (--input-rate)")
        return found

    def millivolts(self, name: object, found: str | None) -> float:
        """Millivolts per unit of the file, or else of the stated unit.

        Raises:
            DataError: there is neither, the two differ, or the file's unit is no voltage.
        """
        if not found:
            if self.unit is None:
                raise DataError(f"{name} does not say its unit; state it with input_unit= (--input-unit), such as mV")
            return millivolts_per_unit(self.unit) or math.nan
        size = millivolts_per_unit(found)
        if size is None:
            raise DataError(f"{name}: unit {found[:20]!r} is not a voltage; ecgsdk reads nV, uV, mV and V")
        if self.unit is not None and not math.isclose(millivolts_per_unit(self.unit) or 0, size):
            raise DataError(f"{name} is in {found}, not in {self.unit}; leave out input_unit= (--input-unit)")
        return size

    def mend(self, found: Sequence[str]) -> str:
        """What can be done where some of the file's `found` signals are not called by the names of leads."""
        if self.leads is not None or not found:
            return ""
        called = ", ".join(repr(name[:20]) for name in found[:3]) + (", …" if len(found) > 3 else "")
        if len(found) < len(INDEPENDENT_LEADS):
            return f", and it has {len(found)} signals, called {called}"
        return f", its signals are called {called}; state their names with input_leads= (--input-leads)"

    def names(self, name: object, found: Sequence[str] | None, count: int) -> Sequence[str]:
        """Names of the file's `count` signals: the stated ones, or else those the file gives.

        Names may be stated in place of others, as what a file calls a lead need not be its name ("ch1").

        Raises:
            DataError: there are none, or not as many as signals.
        """
        if self.leads is None:
            if found is None:
                asked = "state them with input_leads= (--input-leads)"
                raise DataError(f"{name} does not say the names of its {count} signals; {asked}")
            return found
        if len(self.leads) != count:
            raise DataError(f"{name} has {count} signals, but {len(self.leads)} input leads are stated")
        return self.leads
