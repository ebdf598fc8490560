"""Which lead stands where on a 12-lead page: three usual layouts, and rhythm strips below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LAYOUTS", "Layout", "Segment", "page_lines"]


@dataclass(frozen=True)
class Layout:
    """Leads in columns, which share the time of the page: each column goes on where the one before ends.

    Attributes:
        columns: the leads of each column, from top to bottom.
        rhythm: leads that run below over the whole time, unless others are asked for.
    """

    columns: tuple[tuple[str, ...], ...]
    rhythm: tuple[str, ...]


LAYOUTS: Mapping[str, Layout] = {
    "3x4": Layout((LEADS[:3], LEADS[3:6], LEADS[6:9], LEADS[9:]), ("II",)),
    "6x2": Layout((LEADS[:6], LEADS[6:]), ()),
    "12x1": Layout((LEADS,), ()),
}
"""Rows × columns, as electrocardiographs name them; the first is the standard one (Kligfield et al. 2007)."""


@dataclass(frozen=True)
class Segment:
    """Samples `first` to `last` of a lead, at their time on the strip."""

    lead: str
    first: int
    last: int


def page_lines(name: str, rhythm: Sequence[str] | None, samples: int) -> list[tuple[Segment, ...]]:
    """The segments of each line of a page, from top to bottom.

    Args:
        name: of a layout.
        rhythm: leads of the rhythm strips; None takes those of the layout.
        samples: of the whole page.

    Raises:
        DataError: an unknown layout or lead.
    """
    if name not in LAYOUTS:
        raise DataError(f"unknown layout {name!r}; there are {', '.join(LAYOUTS)}")
    layout = LAYOUTS[name]
    strips = layout.rhythm if rhythm is None else rhythm
    unknown = [lead for lead in strips if lead not in LEADS]
    if unknown:
        raise DataError(f"unknown lead {unknown[0]!r} for a rhythm strip; there are {', '.join(LEADS)}")
    edges = [round(column * samples / len(layout.columns)) for column in range(len(layout.columns) + 1)]
    lines = [tuple(Segment(*part) for part in zip(leads, edges, edges[1:])) for leads in zip(*layout.columns)]
    return [*lines, *((Segment(lead, 0, samples),) for lead in strips)]
