"""ECGs of a report as inline SVG, on the paper of an electrocardiograph: 25 mm/s, 10 mm/mV, grid of 1 and 5 mm.

Twelve leads of ten seconds or more are laid out as the standard page (Kligfield et al. 2007, Circulation 115:1306):
three rows of four leads for 2.5 s each, over ten seconds of lead II. Anything else is stacked, a row a lead. Each lead
is drawn about its median, as an electrocardiograph, which passes no direct voltage, would.

A unit of the drawings is 0.05 mm: 5 µV, or a sample at 500 Hz. Each sample is drawn, with integer relative moves. The
drawings state their true size, which a page's style may change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from statistics import median_low
from typing import TYPE_CHECKING

from ecgsdk.layouts import Segment, page_lines
from ecgsdk.leads import LEADS
from ecgsdk.paper import GAIN_MM_PER_MV, SPEED_MM_PER_S
from ecgsdk.validation.report.markup import Markup, element

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecgsdk.validation.results import Sample

__all__ = ["MISSING", "ecg_svg"]

MISSING = -32768
"""Value of a sample, in microvolts, that is missing: the trace has a gap there."""

_PAGE_SECONDS = 10.0

_UNITS_PER_MM = 20
_MICROVOLTS = GAIN_MM_PER_MV * _UNITS_PER_MM / 1000
_SECOND = SPEED_MM_PER_S * _UNITS_PER_MM

# Units; all multiples of 5 mm, so that rows end on lines of the grid.
_SQUARE = 5 * _UNITS_PER_MM
_PULSE = 2 * _SQUARE
_HEADER = 2 * _SQUARE
_LEAST_UP, _LEAST_DOWN, _FARTHEST = 3 * _SQUARE, 2 * _SQUARE, 6 * _SQUARE
_LABEL = 90


@dataclass(frozen=True)
class _Row:
    """Parts on one baseline, and how far they reach over and under it."""

    parts: tuple[Segment, ...]
    up: int
    down: int


def ecg_svg(sample: Sample, identifier: str, beside: Sequence[Sample] = ()) -> Markup:
    """One ECG, marked REAL or SYNTHETIC.

    Args:
        sample: what to draw; its leads may be of different length, or none.
        identifier: unique on the page; begins the ids of title, description and grid.
        beside: samples shown next to it; where all have the same leads, all get paper of the same size.
    """
    alike = [other for other in beside if other.leads == sample.leads and len(other.leads) == len(other.microvolts)]
    layouts = [_rows(_centred(other), other.sampling_rate) for other in (sample, *alike)]
    rows = [_shared(same) for same in zip(*layouts)]
    longest = max((_reach(row.parts, sample.sampling_rate) for row in rows), default=0.0)
    width = _PULSE + _up_to_squares(longest) + _SQUARE
    height = _HEADER + sum(row.up + row.down for row in rows)
    mark = sample.role.upper() or "ECG"
    return element(
        "svg",
        element("title", f"{mark}: {sample.title}", id=f"{identifier}-title"),
        element("desc", _description(sample), id=f"{identifier}-desc"),
        _grid(identifier, width, height),
        _drawn(rows, _centred(sample), sample.sampling_rate),
        _mark(mark),
        class_=f"ecg {sample.role}",
        viewBox=f"0 0 {width} {height}",
        width=f"{width / _UNITS_PER_MM:g}mm",
        height=f"{height / _UNITS_PER_MM:g}mm",
        role="img",
        aria_labelledby=f"{identifier}-title {identifier}-desc",
        xmlns="http://www.w3.org/2000/svg",
    )


def _centred(sample: Sample) -> dict[str, list[int | None]]:
    """Units above the baseline of each lead's samples; None where one is missing."""
    leads: dict[str, list[int | None]] = {}
    for lead, row in zip(sample.leads, sample.microvolts):
        known = [value for value in row if value != MISSING]
        middle = median_low(known) if known else 0
        leads[lead] = [None if value == MISSING else round((value - middle) * _MICROVOLTS) for value in row]
    return leads


def _rows(leads: dict[str, list[int | None]], rate: float) -> list[_Row]:
    """The standard page if there is enough for it, else a row a lead."""
    shortest = min((len(values) for values in leads.values()), default=0)
    if set(leads) != set(LEADS) or shortest < _PAGE_SECONDS * rate:
        return [_row((Segment(lead, 0, len(values)),), leads) for lead, values in leads.items()]
    lines = page_lines("3x4", None, round(_PAGE_SECONDS * rate))
    return [_row(line, leads) for line in lines]


def _row(parts: tuple[Segment, ...], leads: dict[str, list[int | None]]) -> _Row:
    drawn = [value for part in parts for value in leads[part.lead][part.first : part.last]]
    shown = [value for value in drawn if value is not None]
    up, down = max(shown, default=0) + _LABEL, -min(shown, default=0)
    return _Row(parts, max(_LEAST_UP, _limited(up)), max(_LEAST_DOWN, _limited(down)))


def _limited(reach: int) -> int:
    """In whole squares. What goes farther than 3 mV runs into its neighbours instead of growing the paper."""
    return _up_to_squares(min(reach, _FARTHEST))


def _shared(rows: Sequence[_Row]) -> _Row:
    return _Row(rows[0].parts, max(row.up for row in rows), max(row.down for row in rows))


def _reach(parts: Sequence[Segment], rate: float) -> float:
    return max(part.last for part in parts) / rate * _SECOND


def _up_to_squares(length: float) -> int:
    return _SQUARE * math.ceil(length / _SQUARE - 1e-9)


def _grid(identifier: str, width: int, height: int) -> Markup:
    """The paper: a pattern of 5 mm with its millimetres."""
    fine = "".join(f"M{x} 0V{_SQUARE}M0 {x}H{_SQUARE}" for x in range(_UNITS_PER_MM, _SQUARE, _UNITS_PER_MM))
    size = {"width": f"{_SQUARE}", "height": f"{_SQUARE}", "patternUnits": "userSpaceOnUse"}
    pattern = element(
        "pattern",
        element("path", d=fine, class_="fine"),
        element("path", d=f"M0 0V{_SQUARE}M0 0H{_SQUARE}", class_="coarse"),
        id=f"{identifier}-paper",
        **size,
    )
    paper = element("rect", width=f"{width}", height=f"{height}", class_="paper")
    lines = element("rect", width=f"{width}", height=f"{height}", fill=f"url(#{identifier}-paper)")
    return element("g", element("defs", pattern), paper, lines)


def _drawn(rows: Sequence[_Row], leads: dict[str, list[int | None]], rate: float) -> Markup:
    """Calibration pulses, traces and lead names of all rows."""
    traces, names, top = [], [], _HEADER
    pulse, millivolt = _UNITS_PER_MM, round(1000 * _MICROVOLTS)
    for row in rows:
        baseline = top + row.up
        traces.append(f"M{pulse} {baseline}h{pulse}v{-millivolt}h{_SQUARE}v{millivolt}h{pulse}")
        for part in row.parts:
            left = _PULSE + round(part.first / rate * _SECOND)
            values = leads[part.lead][part.first : part.last]
            traces += [_trace(run, rate, part.first + at, baseline) for at, run in _runs(values)]
            if part.first:
                traces.append(f"M{left} {top}v{2 * _UNITS_PER_MM}")
            names.append(element("text", part.lead, x=f"{left + 16}", y=f"{top + 74}", class_="lead"))
        top += row.up + row.down
    return element("g", element("path", d="".join(traces), class_="trace"), *names)


def _runs(values: Sequence[int | None]) -> Iterator[tuple[int, list[int]]]:
    """Consecutive samples between missing ones, and where they begin."""
    for missing, run in groupby(enumerate(values), key=lambda pair: pair[1] is None):
        pairs = list(run)
        if not missing:
            yield pairs[0][0], [value for _, value in pairs if value is not None]


def _trace(values: Sequence[int], rate: float, first: int, baseline: int) -> str:
    """Path of consecutive samples, the first of which is sample `first` of the lead."""
    x = [_PULSE + round((first + i) / rate * _SECOND) for i in range(len(values))]
    moves = [f"{after - before} {low - high}" for before, after, high, low in zip(x, x[1:], values[1:], values)]
    # A minus sign parts two numbers as well as a blank does.
    line = " ".join(moves).replace(" -", "-")
    return f"M{x[0]} {baseline - values[0]}" + (f"l{line}" if moves else "h1")


def _mark(mark: str) -> Markup:
    """REAL or SYNTHETIC in a frame at the top left: seen, too, where the paper is wider than the screen."""
    wide = 62 * len(mark) + 50
    frame = element("rect", x="20", y="20", width=f"{wide}", height="110", rx="12", class_="mark-frame")
    return element("g", frame, element("text", mark, x=f"{20 + wide // 2}", y="102", class_="mark"))


def _description(sample: Sample) -> str:
    seconds = max(map(len, sample.microvolts), default=0) / sample.sampling_rate
    leads = ", ".join(sample.leads) or "none"
    return f"ECG of {seconds:g} s at {sample.sampling_rate:g} Hz; 25 mm/s, 10 mm/mV. Leads: {leads}."
