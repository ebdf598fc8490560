"""The standard 12-lead page of an ECG, and sheets of several, as SVG, PNG or PDF.

The page is laid out as an electrocardiograph prints it: unless asked otherwise at 25 mm/s, 10 mm/mV, three rows of four
leads for 2.5 s each, read on in time from column to column, over ten seconds of lead II (Kligfield et al. 2007,
Circulation 115:1306).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ecgsdk import paper
from ecgsdk.captions import maker, meanings, patient, rate_text, statement_codes
from ecgsdk.errors import DataError, WriteError
from ecgsdk.layouts import Segment, page_lines
from ecgsdk.leads import LEADS
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ecgsdk.batch import ECGBatch

__all__ = ["PICTURE_FORMATS", "batch_svg", "plot_file", "plot_pair", "plot_record", "plot_records", "save_figure"]

PICTURE_FORMATS = ("svg", "png", "pdf")

_PAGE_SECONDS = 10.0
_STANDARD = paper.Scale()
_SHEET_LEADS = ("II",)
_MOST_IN_NOTEBOOK = 6

# Millimetres.
_A4_LANDSCAPE = (297.0, 210.0)
_MARGIN, _LEAST_MARGIN = 16.0, 12.0
_HEADER = 27.0
_FOOTER = 13.0
_LABEL_BAND = 5.0
_SHEET_MARGIN, _SHEET_GAP, _SHEET_TITLE = 10.0, 6.0, 8.0
_SHEET_LEAST_UP, _SHEET_LEAST_DOWN = 20.0, 10.0
# What even a flat lead gets above and below its baseline: the most that fits on A4.
_LEAST_ROOM = ((25.0, 15.0), (20.0, 10.0), (15.0, 10.0), (10.0, 5.0))
# A trace that goes farther than this from its baseline runs into its neighbours instead of growing the page.
_FARTHEST = 50.0

_PNG_DPI = 200
_WARNING_RED = "#b3001b"


@dataclass(frozen=True)
class _Row:
    """Segments on one baseline, and how far in mm they reach over and under it: multiples of 5."""

    segments: tuple[Segment, ...]
    up: float
    down: float


@dataclass(frozen=True)
class _Block:
    """One record ready to be drawn: its centred signals, its rows, and their scale."""

    record: ECGBatch
    signals: np.ndarray
    rows: tuple[_Row, ...]
    scale: paper.Scale

    @property
    def width(self) -> float:
        return self.scale.strip_width(self.signals.shape[1], self.record.sampling_rate)

    @property
    def height(self) -> float:
        return sum(row.up + row.down for row in self.rows)


def plot_file(
    path: str | Path,
    output: str | Path,
    records: Sequence[int] = (0,),
    *,
    leads: Sequence[str] = _SHEET_LEADS,
    seconds: float = _PAGE_SECONDS,
    columns: int = 1,
    layout: str = "3x4",
    rhythm: Sequence[str] | None = None,
    scale: paper.Scale = _STANDARD,
    beside: tuple[str | Path, int] | None = None,
    input_rate: float | None = None,
    input_unit: str | None = None,
    input_leads: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Draws records of a file of ECGs into a picture: one as a page, two beside one another, or several as a sheet.

    Leads and columns are those of a sheet, as `plot_records` takes them; layout and rhythm strips those of a page, as
    `plot_record` takes them. `beside` is a second file and a record of it, drawn on one page with the first's.
    `input_rate`, `input_unit` and `input_leads` say what the file does not, as `ecgsdk.read_ecgs` takes them; they hold
    for the second file too where both names end alike.

    Raises:
        DataError: a file cannot be read or has no such record, or a layout, lead or length that there is not.
        WriteError: the picture cannot be written, exists already, or its name tells no known format.
        RuntimeSetupError: Matplotlib is not installed.
    """
    # Before the file is read: what cannot be written is said at once.
    _picture_format(Path(output))
    check_target(Path(output), overwrite=overwrite, folder=False)
    if not seconds > 0:
        raise DataError(f"strips of {seconds:g} s cannot be drawn; give a positive number of seconds")
    stated = {"input_rate": input_rate, "input_unit": input_unit, "input_leads": input_leads}
    batch = _read(path, records, stated)
    if beside is not None:
        alike = Path(beside[0]).suffix.lower() == Path(path).suffix.lower()
        other = _read(beside[0], [beside[1]], stated if alike else {})
        figure = plot_pair(batch[0], other, layout=layout, rhythm=rhythm, scale=scale, seconds=seconds)
    elif len(batch) == 1:
        figure = plot_record(batch, 0, layout=layout, rhythm=rhythm, scale=scale, seconds=seconds)
    else:
        positions = range(len(batch))
        figure = plot_records(batch, positions, leads=leads, seconds=seconds, columns=columns, scale=scale)
    save_figure(figure, output, overwrite=overwrite)


def plot_record(
    batch: ECGBatch,
    index: int = 0,
    *,
    layout: str = "3x4",
    rhythm: Sequence[str] | None = None,
    scale: paper.Scale = _STANDARD,
    seconds: float = _PAGE_SECONDS,
) -> Figure:
    """A page of one record, in true millimetres.

    A4 landscape; larger when the layout, the scale or the ECG needs more, for rows do not overlap. Each lead is drawn
    about its median, as an electrocardiograph, which passes no direct voltage, would.

    Args:
        batch: where the record is.
        index: its position in the batch.
        layout: "3x4", "6x2" or "12x1": rows × columns.
        rhythm: leads of the strips below that run over the whole time; None: lead II in "3x4", none elsewhere.
        scale: paper speed and gain.
        seconds: length of the page, at most that of the record; the columns share it.

    Raises:
        DataError: an unknown layout or lead.
        RuntimeSetupError: Matplotlib is not installed.
    """
    return _pages([_page_block(batch[index], layout, rhythm, scale, seconds)], told_apart=False)


def plot_pair(
    first: ECGBatch,
    second: ECGBatch,
    *,
    layout: str = "3x4",
    rhythm: Sequence[str] | None = None,
    scale: paper.Scale = _STANDARD,
    seconds: float = _PAGE_SECONDS,
) -> Figure:
    """Two records on one page, such as a real and a synthetic one, each marked REAL or SYNTHETIC.

    One above the other, A3 portrait or larger, at the same scale. Arguments and errors are those of `plot_record`;
    of each batch the first record is drawn.
    """
    blocks = [_page_block(batch[0], layout, rhythm, scale, seconds) for batch in (first, second)]
    return _pages(blocks, told_apart=True)


def plot_records(
    batch: ECGBatch,
    indices: Sequence[int],
    *,
    leads: Sequence[str] = _SHEET_LEADS,
    seconds: float = _PAGE_SECONDS,
    columns: int = 1,
    scale: paper.Scale = _STANDARD,
) -> Figure:
    """A sheet of several records, each as strips of some leads, in true millimetres; the page is as large as it needs.

    Args:
        batch: where the records are.
        indices: positions of the records in the batch; read from left to right, then down.
        leads: leads to show; `ecgsdk.leads.LEADS` shows them all.
        seconds: length of the strips, at most that of the records.
        columns: records beside one another.
        scale: paper speed and gain.

    Raises:
        DataError: an unknown lead, or nothing to draw.
        RuntimeSetupError: Matplotlib is not installed.
    """
    unknown = [lead for lead in leads if lead not in LEADS]
    if unknown or not leads or not len(indices):
        raise DataError(f"unknown lead {unknown[0]!r}" if unknown else "no record or no lead to draw")
    blocks = [_sheet_block(batch[index], leads, scale, seconds) for index in indices]
    lines = [blocks[first : first + columns] for first in range(0, len(blocks), columns)]
    heights = [max(block.height for block in line) for line in lines]
    strip = blocks[0].width
    width = 2 * _SHEET_MARGIN + min(columns, len(blocks)) * (strip + _SHEET_GAP) - _SHEET_GAP
    height = 2 * _SHEET_MARGIN + sum(heights) + (_SHEET_TITLE + _SHEET_GAP) * len(lines) - _SHEET_GAP
    figure, axes = paper.new_page(width, height)
    top = height - _SHEET_MARGIN
    for line, line_height in zip(lines, heights):
        for column, block in enumerate(line):
            left = _SHEET_MARGIN + column * (strip + _SHEET_GAP)
            _sheet_title(axes, block.record, left, top, strip)
            paper.grid(axes, left, top - _SHEET_TITLE - line_height, strip, line_height)
            _draw_rows(axes, block, left, top - _SHEET_TITLE)
        top -= _SHEET_TITLE + line_height + _SHEET_GAP
    paper.label(axes, _SHEET_MARGIN, _SHEET_MARGIN - 5.0, _scale_text(blocks[0]), size=2.6)
    return figure


def batch_svg(batch: ECGBatch) -> str | None:
    """A batch as an SVG image for notebooks: one record as a page, the first six of several as a sheet; None if empty.

    Raises:
        RuntimeSetupError: Matplotlib is not installed.
    """
    if not len(batch):
        return None
    shown = range(min(len(batch), _MOST_IN_NOTEBOOK))
    figure = plot_record(batch) if len(batch) == 1 else plot_records(batch, shown)
    drawn = io.BytesIO()
    _save(figure, drawn, "svg")
    text = drawn.getvalue().decode()
    # Notebooks put the image into a page, where an XML declaration has no place.
    return text[text.index("<svg") :]


def save_figure(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Writes a figure as SVG, PNG (200 dpi) or PDF, as the name's suffix says; the same figure gives the same bytes.

    Raises:
        WriteError: the picture cannot be written, exists already, or its name tells no known format.
    """
    path = Path(path)
    format = _picture_format(path)
    check_target(path, overwrite=overwrite, folder=False)
    staged = staging_path(path)
    try:
        _save(figure, staged, format)
        publish(staged, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        discard(staged)


def _save(figure: Figure, target: Path | BinaryIO, format: str) -> None:
    import matplotlib as mpl

    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[format]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ecgsdk", "pdf.fonttype": 42}):
        figure.savefig(target, format=format, dpi=_PNG_DPI, metadata=undated)


def _picture_format(path: Path) -> str:
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in PICTURE_FORMATS:
        raise WriteError(f"{path} is no picture that ecgsdk can draw; end its name in .{', .'.join(PICTURE_FORMATS)}")
    return suffix


def _read(path: str | Path, records: Sequence[int], stated: Mapping[str, Any]) -> ECGBatch:
    from ecgsdk.readers import read_ecgs

    source = read_ecgs(path, **stated)
    beyond = [position for position in records if not 0 <= position < len(source)]
    if beyond:
        raise DataError(f"{path} has no record {beyond[0]}; it has {len(source)}, counted from 0")
    return next(source.select(records).batches(len(records)))


def _page_block(
    record: ECGBatch, layout: str, rhythm: Sequence[str] | None, scale: paper.Scale, seconds: float
) -> _Block:
    signals = _centred(record, seconds)
    lines = page_lines(layout, rhythm, signals.shape[1])
    for least in _LEAST_ROOM:
        block = _Block(record, signals, tuple(_row(signals, line, scale, *least) for line in lines), scale)
        if _HEADER + block.height + _FOOTER <= _A4_LANDSCAPE[1]:
            break
    return block


def _sheet_block(record: ECGBatch, leads: Sequence[str], scale: paper.Scale, seconds: float) -> _Block:
    signals = _centred(record, seconds)
    lines = [(Segment(lead, 0, signals.shape[1]),) for lead in leads]
    rows = tuple(_row(signals, line, scale, _SHEET_LEAST_UP, _SHEET_LEAST_DOWN) for line in lines)
    return _Block(record, signals, rows, scale)


def _pages(blocks: Sequence[_Block], *, told_apart: bool) -> Figure:
    """Records one above the other, each with its header and footer on at least an A4 page."""
    widest = max(block.width for block in blocks)
    # Five seconds at 50 mm/s fit on A4, with narrower margins.
    margin = min(_MARGIN, max(_LEAST_MARGIN, (_A4_LANDSCAPE[0] - widest) / 2))
    width = max(_A4_LANDSCAPE[0], 2 * margin + widest)
    heights = [max(_A4_LANDSCAPE[1], _HEADER + block.height + _FOOTER) for block in blocks]
    figure, axes = paper.new_page(width, sum(heights))
    top = sum(heights)
    for block, height in zip(blocks, heights):
        bottom = top - _HEADER - block.height
        paper.grid(axes, margin, bottom, block.width, block.height)
        _draw_rows(axes, block, margin, top - _HEADER)
        _page_header(axes, block.record, (margin, width - margin), top, told_apart)
        _page_footer(axes, block, (margin, width - margin), bottom)
        top -= height
    return figure


def _centred(record: ECGBatch, seconds: float) -> np.ndarray:
    # Missing samples stay missing and leave a gap in the trace.
    signals = record.signals[0]
    baseline = np.median(np.nan_to_num(signals), axis=1, keepdims=True)
    return (signals - baseline)[:, : round(seconds * record.sampling_rate)]


def _row(
    signals: np.ndarray, segments: tuple[Segment, ...], scale: paper.Scale, least_up: float, least_down: float
) -> _Row:
    parts = [signals[LEADS.index(part.lead), part.first : part.last] for part in segments]
    shown = np.nan_to_num(np.concatenate(parts)) * scale.gain
    return _Row(segments, _reach(shown.max() + _LABEL_BAND, least_up), _reach(-shown.min(), least_down))


def _reach(millimetres: float, least: float) -> float:
    return max(least, 5.0 * math.ceil(min(millimetres, _FARTHEST) / 5.0))


def _draw_rows(axes: Axes, block: _Block, left: float, top: float) -> None:
    rate, scale = block.record.sampling_rate, block.scale
    for row in block.rows:
        baseline = top - row.up
        paper.calibration_pulse(axes, left, baseline, scale)
        for part in row.segments:
            start = left + scale.pulse_room + part.first / rate * scale.speed
            samples = block.signals[LEADS.index(part.lead), part.first : part.last]
            paper.trace(axes, samples, rate, start, baseline, scale)
            if part.first > 0:
                paper.lead_change(axes, start, top - 0.8 * _LABEL_BAND)
            paper.label(axes, start + 1.0, top - _LABEL_BAND + 0.5, part.lead, size=3.6, bold=True)
        top -= row.up + row.down


def _page_header(axes: Axes, record: ECGBatch, sides: tuple[float, float], top: float, told_apart: bool) -> None:
    left, right = sides
    condition = record.conditions[0]
    facts = [rate_text(record), *patient(condition)]
    paper.label(axes, left, top - 11, shorten(statement_codes(condition), 70, placeholder=" …"), size=5.0, bold=True)
    paper.label(axes, left, top - 17, shorten(meanings(condition), 120, placeholder=" …"), size=3.4)
    paper.label(axes, left, top - 23, " · ".join(facts), size=3.4)
    if record.synthetic:
        paper.label(axes, right, top - 11, "SYNTHETIC", size=5.0, bold=True, color=_WARNING_RED, align="right")
    elif told_apart:
        paper.label(axes, right, top - 11, "REAL", size=5.0, bold=True, align="right")
    paper.label(axes, right, top - 17, f"record {record.identifiers[0]}", size=3.4, align="right")


def _page_footer(axes: Axes, block: _Block, sides: tuple[float, float], top: float) -> None:
    left, right = sides
    paper.label(axes, left, top - 6, _scale_text(block), size=3.0)
    provenance = block.record.provenance
    if provenance is not None:
        made_by = maker(provenance)
        paper.label(axes, right, top - 6, made_by, size=3.0, align="right")


def _sheet_title(axes: Axes, record: ECGBatch, left: float, top: float, width: float) -> None:
    condition = record.conditions[0]
    letters = int(0.14 * width)
    codes = shorten(statement_codes(condition), letters, placeholder=" …")
    paper.label(axes, left, top - 6, codes, size=4.0, bold=True)
    facts = [rate_text(record), *patient(condition), f"record {record.identifiers[0]}"]
    # A short strip has room for either end of the line only.
    paper.label(axes, left + width, top - 6, " · ".join(facts if width > 200 else facts[:1]), size=2.8, align="right")
    if record.synthetic:
        paper.label(axes, left + 0.45 * width, top - 6, "SYNTHETIC", size=3.0, color=_WARNING_RED, align="center")


def _scale_text(block: _Block) -> str:
    return f"{block.scale} · {block.record.sampling_rate:g} Hz"
