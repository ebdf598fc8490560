"""Numbers as people read them: rounded to what is worth reading, a column alike, with a true minus sign."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecgsdk.validation.results import Cell

__all__ = ["DASH", "cell_text", "column_texts", "decimals", "finite", "number", "superscript", "with_unit"]

DASH = "–"
"""Shown where there is no value."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def finite(value: object) -> float | None:
    """The value if it is a finite number, else None; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def decimals(values: Iterable[float | None], unit: str = "") -> int:
    """Decimal places for values shown together: three up to 1, two up to 10, one up to 1,000, then none.

    Per cent have two under 10 and one from there on; values that are all under 0.01 have two significant digits, and
    whole numbers above 1 none.
    """
    known = [abs(value) for value in map(finite, values) if value is not None]
    greatest = max(known, default=0.0)
    if all(value == round(value) for value in known) and (greatest > 1 or all(isinstance(v, int) for v in known)):
        return 0
    if 0 < greatest < 0.01:
        return min(1 - math.floor(math.log10(greatest)), 9)
    if unit == "%":
        return 2 if greatest < 10 else 1
    return 3 if greatest <= 1 else 2 if greatest < 10 else 1 if greatest < 1000 else 0


def number(value: float | None, places: int | None = None, unit: str = "") -> str:
    """A number without its unit: thousands separated, "−" for minus, a dash for None and what is not finite.

    Args:
        value: to show.
        places: decimal places; default: as `decimals` finds for this value.
        unit: what it is measured in, for the default.

    >>> number(-12345.6), number(0.9481), number(3.4e-6)
    ('−12,346', '0.948', '3.4 × 10⁻⁶')
    """
    if finite(value) is None or value is None:
        return DASH
    places = decimals([value], unit) if places is None else places
    # Too small for its column, or for anybody to count its noughts, or too large to be read by threes.
    if value and (abs(value) < 1e-4 or abs(value) >= 1e9):
        return _scientific(value)
    if value and abs(value) < 0.5 * 10**-places:
        return number(value, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", "−")


def with_unit(shown: str, unit: str) -> str:
    """A number and its unit, kept on one line; a dash stays alone."""
    return shown if shown == DASH or not unit else f"{shown}\N{NO-BREAK SPACE}{unit}"


def column_texts(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Cells of a table's column as text; its numbers with the same decimal places."""
    cells = tuple(cells)
    places = decimals(finite(cell) for cell in cells)
    return tuple(cell_text(cell, places) for cell in cells)


def cell_text(cell: Cell, places: int | None = None) -> str:
    """One cell as text: a dash for None, yes or no for true and false."""
    if cell is None:
        return DASH
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (int, float)):
        # A count beside measured values stays a whole number.
        return number(cell, 0 if isinstance(cell, int) else places)
    return str(cell)


def superscript(exponent: int) -> str:
    """An integer in raised digits, for a power of ten."""
    return str(exponent).translate(_SUPERSCRIPTS)


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{superscript(int(exponent))}".replace("-", "−")
