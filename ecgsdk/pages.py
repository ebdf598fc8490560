"""The parts of a drawn page: records as blocks of rows on paper, and the text around them. All lengths are in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk import paper
from ecgsdk.captions import maker, meanings, patient, rate_text, statement_codes
from ecgsdk.errors import DataError
from ecgsdk.layouts import Segment, page_lines
from ecgsdk.leads import LEADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.batch import ECGBatch
    from ecgsdk.paper import Axes

__all__ = [
    "A4_LANDSCAPE",
    "FOOTER",
    "HEADER",
    "SHEET_TITLE",
    "Block",
    "Row",
    "aligned",
    "draw_block",
    "page_block",
    "page_footer",
    "page_header",
    "sheet_block",
    "sheet_footer",
    "sheet_title",
]

A4_LANDSCAPE = (297.0, 210.0)
HEADER = 27.0
"""Height of the text over a page's paper."""
FOOTER = 13.0
"""Height of the text under it."""
SHEET_TITLE = 12.0
"""Height of the text over the paper of each record of a sheet."""

_PAGE_SECONDS = 10.0
_LABEL_BAND = 5.0
_SHEET_LEAST = (20.0, 10.0)
# What even a flat lead gets above and below its baseline: the most that fits on A4.
_LEAST_ROOM = ((25.0, 15.0), (20.0, 10.0), (15.0, 10.0), (10.0, 5.0))
# A trace that goes farther than this from its baseline runs into its neighbours instead of growing the page.
_FARTHEST = 80.0
_WARNING_RED = "#b3001b"
_GAP = 4.0
_NAME_ROOM = 70.0


@dataclass(frozen=True)
class Row:
    """Segments on one baseline, and how far they reach over and under it: multiples of 5 mm."""

    segments: tuple[Segment, ...]
    up: float
    down: float


@dataclass(frozen=True)
class Block:
    """One record ready to be drawn: its centred signals, its rows, and their scale."""

    record: ECGBatch
    signals: np.ndarray
    rows: tuple[Row, ...]
    scale: paper.Scale

    @property
    def width(self) -> float:
        return self.scale.strip_width(self.signals.shape[1], self.record.sampling_rate)

    @property
    def height(self) -> float:
        return sum(row.up + row.down for row in self.rows)


def page_block(
    record: ECGBatch, layout: str, rhythm: Sequence[str] | None, scale: paper.Scale, seconds: float | None
) -> Block:
    """All leads of a record in a layout, with as much room for each row as fits on A4.

    Raises:
        DataError: an unknown layout or lead, or more seconds than the record has.
    """
    signals = _centred(record, seconds)
    lines = page_lines(layout, rhythm, signals.shape[1])
    for least in _LEAST_ROOM:
        block = Block(record, signals, tuple(_row(signals, line, scale, *least) for line in lines), scale)
        if HEADER + block.height + FOOTER <= A4_LANDSCAPE[1]:
            break
    return block


def sheet_block(record: ECGBatch, leads: Sequence[str], scale: paper.Scale, seconds: float | None) -> Block:
    """Some leads of a record, each a strip.

    Raises:
        DataError: more seconds than the record has.
    """
    signals = _centred(record, seconds)
    lines = [(Segment(lead, 0, signals.shape[1]),) for lead in leads]
    return Block(record, signals, tuple(_row(signals, line, scale, *_SHEET_LEAST) for line in lines), scale)


def aligned(blocks: Sequence[Block]) -> list[Block]:
    """The same blocks with equal room for each row, so that one lead lies at one height in all of them."""
    together = list(zip(*(block.rows for block in blocks)))
    up = [max(row.up for row in rows) for rows in together]
    down = [max(row.down for row in rows) for rows in together]
    return [replace(block, rows=tuple(map(Row, (row.segments for row in block.rows), up, down))) for block in blocks]


def draw_block(axes: Axes, block: Block, left: float, top: float) -> None:
    """Paper, calibration pulses, traces and lead names; no trace leaves the paper."""
    bottom = top - block.height
    paper.grid(axes, left, bottom, block.width, block.height)
    rate, scale = block.record.sampling_rate, block.scale
    edges = (left, bottom, block.width, block.height)
    for row in block.rows:
        baseline = top - row.up
        paper.calibration_pulse(axes, left, baseline, scale)
        for part in row.segments:
            start = left + scale.pulse_room + part.first / rate * scale.speed
            samples = block.signals[LEADS.index(part.lead), part.first : part.last]
            paper.trace(axes, samples, rate, start, baseline, scale, edges)
            if part.first > 0:
                paper.lead_change(axes, start, top - 0.8 * _LABEL_BAND)
            paper.label(axes, start + 1.0, top - _LABEL_BAND + 0.5, part.lead, size=3.6, bold=True)
        top -= row.up + row.down


def page_header(axes: Axes, record: ECGBatch, sides: tuple[float, float], top: float, *, told_apart: bool) -> None:
    """Statements, heart rate and patient on the left, the record's name and whether it is synthetic on the right.

    `told_apart` marks a real record too.
    """
    left, right = sides
    condition = record.conditions[0]
    room = right - left - _NAME_ROOM - _GAP
    paper.label(axes, left, top - 11, statement_codes(condition), size=5.0, bold=True, room=room)
    paper.label(axes, left, top - 17, meanings(condition), size=3.4, room=room)
    paper.label(axes, left, top - 23, _facts(record), size=3.4, room=room)
    _mark(axes, record, right, top - 11, 5.0, told_apart=told_apart)
    paper.label(axes, right, top - 17, _name(record), size=3.4, align="right", room=_NAME_ROOM)


def page_footer(axes: Axes, block: Block, sides: tuple[float, float], top: float) -> None:
    """The scale, and what made a synthetic record."""
    _footer(axes, block, sides, top - 6, 3.0)


def sheet_title(axes: Axes, record: ECGBatch, left: float, top: float, width: float) -> None:
    """Two lines over a record's strips: statements and whether it is synthetic, then its name, heart rate, patient."""
    mark = _mark(axes, record, left + width, top - 5, 4.0, told_apart=False)
    room = width - mark - (_GAP if mark else 0.0)
    paper.label(axes, left, top - 5, statement_codes(record.conditions[0]), size=4.0, bold=True, room=room)
    paper.label(axes, left, top - 9.8, f"{_name(record)} · {_facts(record)}", size=2.8, room=width)


def sheet_footer(axes: Axes, block: Block, sides: tuple[float, float], bottom: float) -> None:
    """The scale, and what made the records."""
    _footer(axes, block, sides, bottom, 2.6)


def _footer(axes: Axes, block: Block, sides: tuple[float, float], bottom: float, size: float) -> None:
    left, right = sides
    half = (right - left - _GAP) / 2
    paper.label(axes, left, bottom, _scale_text(block), size=size, room=half)
    if block.record.provenance is not None:
        paper.label(axes, right, bottom, maker(block.record.provenance), size=size, align="right", room=half)


def _mark(axes: Axes, record: ECGBatch, right: float, bottom: float, size: float, *, told_apart: bool) -> float:
    """SYNTHETIC or, if asked for, REAL; returns its width."""
    text = "SYNTHETIC" if record.synthetic else "REAL"
    if not (record.synthetic or told_apart):
        return 0.0
    color = _WARNING_RED if record.synthetic else paper.INK
    paper.label(axes, right, bottom, text, size=size, bold=True, color=color, align="right")
    return paper.text_width(text, size, bold=True)


def _facts(record: ECGBatch) -> str:
    return " · ".join([rate_text(record), *patient(record.conditions[0])])


def _name(record: ECGBatch) -> str:
    return f"record {record.identifiers[0]}"


def _scale_text(block: Block) -> str:
    rate, all_samples = block.record.sampling_rate, block.record.signals.shape[-1]
    text = f"{block.scale} · {rate:g} Hz"
    shown = block.signals.shape[1]
    return text if shown == all_samples else f"{text} · first {shown / rate:g} s of {all_samples / rate:g} s"


def _centred(record: ECGBatch, seconds: float | None) -> np.ndarray:
    # Missing samples stay missing and leave a gap in the trace.
    signals = record.signals[0]
    known = np.where(np.isfinite(signals), signals, np.nan)
    known[np.isnan(known).all(axis=1)] = 0.0
    return (signals - np.nanmedian(known, axis=1, keepdims=True))[:, : _samples_shown(record, seconds)]


def _samples_shown(record: ECGBatch, seconds: float | None) -> int:
    rate, there = record.sampling_rate, record.signals.shape[-1]
    asked = min(_PAGE_SECONDS, there / rate) if seconds is None else seconds
    # Not rounded first: infinity and what is no number are refused too.
    if not 0.5 <= asked * rate < there + 0.5:
        raise DataError(
            f"{_name(record)} has {there / rate:g} s; {asked:g} s of it cannot be drawn: "
            f"choose other seconds, or leave them out"
        )
    return round(asked * rate)


def _row(
    signals: np.ndarray, segments: tuple[Segment, ...], scale: paper.Scale, least_up: float, least_down: float
) -> Row:
    """A row with room for its traces; the calibration pulse, too, stays within it."""
    parts = [signals[LEADS.index(part.lead), part.first : part.last] for part in segments]
    shown = np.nan_to_num(np.concatenate(parts), posinf=0.0, neginf=0.0) * scale.gain
    up = _reach(shown.max() + _LABEL_BAND, max(least_up, scale.gain))
    return Row(segments, up, _reach(-shown.min(), least_down))


def _reach(millimetres: float, least: float) -> float:
    return max(least, 5.0 * math.ceil(min(millimetres, _FARTHEST) / 5.0))
