"""The standard 12-lead page of an ECG, and sheets of several, as SVG, PNG or PDF.

The page is laid out as an electrocardiograph prints it: 25 mm/s, 10 mm/mV, three rows of four leads for 2.5 s each,
read on in time from column to column, over ten seconds of lead II (Kligfield et al. 2007, Circulation 115:1306).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk import paper
from ecgsdk.beats import detect_beats, heart_rate
from ecgsdk.conditions import STATEMENTS, format_span
from ecgsdk.errors import DataError, WriteError
from ecgsdk.leads import LEADS
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ecgsdk.batch import ECGBatch
    from ecgsdk.conditions import Condition

__all__ = ["PICTURE_FORMATS", "plot_file", "plot_record", "plot_records", "save_figure"]

PICTURE_FORMATS = ("svg", "png", "pdf")

_COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
_RHYTHM_LEAD = "II"
_PAGE_SECONDS = 10.0

# Millimetres.
_A4_LANDSCAPE = (297.0, 210.0)
_MARGIN = 16.0
_PULSE = 15.0
_HEADER = 27.0
_FOOTER = 13.0
_LABEL_BAND = 5.0
_LEAST_UP, _LEAST_DOWN = 25.0, 15.0
_SHEET_MARGIN, _SHEET_GAP, _SHEET_TITLE = 10.0, 6.0, 8.0
_SHEET_LEAST_UP, _SHEET_LEAST_DOWN = 20.0, 10.0
# A trace that goes farther than this from its baseline (5 mV) runs into its neighbours instead of growing the page.
_FARTHEST = 50.0

_PNG_DPI = 200
_WARNING_RED = "#b3001b"


@dataclass(frozen=True)
class _Segment:
    """Samples `first` to `last` of a lead, at their time on the strip."""

    lead: str
    first: int
    last: int


@dataclass(frozen=True)
class _Row:
    """Segments on one baseline, and how far in mm they reach over and under it: multiples of 5."""

    segments: tuple[_Segment, ...]
    up: float
    down: float


def plot_file(
    path: str | Path,
    output: str | Path,
    records: Sequence[int] = (0,),
    *,
    leads: Sequence[str] = (_RHYTHM_LEAD,),
    seconds: float = _PAGE_SECONDS,
    columns: int = 1,
    overwrite: bool = False,
) -> None:
    """Draws one record of a file of ECGs as the standard page, several as a sheet, into a picture.

    Leads, seconds and columns are those of a sheet, as `plot_records` takes them.

    Raises:
        DataError: the file cannot be read or has no such record.
        WriteError: the picture cannot be written, exists already, or its name tells no known format.
        RuntimeSetupError: Matplotlib is not installed.
    """
    from ecgsdk.readers import read_ecgs

    # Before the file is read: what cannot be written is said at once.
    _picture_format(Path(output))
    check_target(Path(output), overwrite=overwrite, folder=False)
    if not seconds > 0:
        raise DataError(f"strips of {seconds:g} s cannot be drawn; give a positive number of seconds")
    source = read_ecgs(path)
    beyond = [position for position in records if not 0 <= position < len(source)]
    if beyond:
        raise DataError(f"{path} has no record {beyond[0]}; it has {len(source)}, counted from 0")
    batch = next(source.select(records).batches(len(records)))
    if len(batch) == 1:
        figure = plot_record(batch, 0)
    else:
        figure = plot_records(batch, range(len(batch)), leads=leads, seconds=seconds, columns=columns)
    save_figure(figure, output, overwrite=overwrite)


def plot_record(batch: ECGBatch, index: int = 0) -> Figure:
    """The standard page of a record: 3 × 4 leads and a rhythm strip of lead II, the first ten seconds.

    A4 landscape; taller when the ECG reaches so far that its rows would overlap. Each lead is drawn about its median,
    as an electrocardiograph, which passes no direct voltage, would.

    Raises:
        RuntimeSetupError: Matplotlib is not installed.
    """
    signals = _centred(batch, index, _PAGE_SECONDS)
    edges = [round(column * signals.shape[1] / len(_COLUMNS)) for column in range(len(_COLUMNS) + 1)]
    rows = []
    for leads in zip(*_COLUMNS):
        segments = tuple(_Segment(*parts) for parts in zip(leads, edges, edges[1:]))
        rows.append(_row(signals, segments, _LEAST_UP, _LEAST_DOWN))
    rhythm = _Segment(_RHYTHM_LEAD, 0, signals.shape[1])
    rows.append(_row(signals, (rhythm,), _LEAST_UP, _LEAST_DOWN))

    paper_height = _height(rows)
    width, height = _A4_LANDSCAPE[0], max(_A4_LANDSCAPE[1], _HEADER + paper_height + _FOOTER)
    figure, axes = paper.new_page(width, height)
    strip = _strip_width(signals.shape[1], batch.sampling_rate)
    paper.grid(axes, _MARGIN, height - _HEADER - paper_height, strip, paper_height)
    _draw_rows(axes, rows, signals, batch.sampling_rate, _MARGIN, height - _HEADER)
    _page_header(axes, batch, index, width, height)
    _page_footer(axes, batch, width, height - _HEADER - paper_height)
    return figure


def plot_records(
    batch: ECGBatch,
    indices: Sequence[int],
    *,
    leads: Sequence[str] = (_RHYTHM_LEAD,),
    seconds: float = _PAGE_SECONDS,
    columns: int = 1,
) -> Figure:
    """A sheet of several records, each as strips of some leads, in true millimetres; the page is as large as it needs.

    Args:
        batch: where the records are.
        indices: positions of the records in the batch; read from left to right, then down.
        leads: leads to show; `ecgsdk.leads.LEADS` shows them all.
        seconds: length of the strips, at most that of the records.
        columns: records beside one another.

    Raises:
        DataError: an unknown lead, or nothing to draw.
        RuntimeSetupError: Matplotlib is not installed.
    """
    unknown = [lead for lead in leads if lead not in LEADS]
    if unknown or not leads or not len(indices):
        raise DataError(f"unknown lead {unknown[0]!r}" if unknown else "no record or no lead to draw")
    blocks = [_centred(batch, index, seconds) for index in indices]
    drawn = [[_whole_row(signals, lead) for lead in leads] for signals in blocks]
    lines = [range(first, min(first + columns, len(blocks))) for first in range(0, len(blocks), columns)]
    heights = [max(_height(drawn[block]) for block in line) for line in lines]
    strip = _strip_width(blocks[0].shape[1], batch.sampling_rate)
    width = 2 * _SHEET_MARGIN + min(columns, len(blocks)) * (strip + _SHEET_GAP) - _SHEET_GAP
    height = 2 * _SHEET_MARGIN + sum(heights) + (_SHEET_TITLE + _SHEET_GAP) * len(lines) - _SHEET_GAP
    figure, axes = paper.new_page(width, height)
    top = height - _SHEET_MARGIN
    for line, line_height in zip(lines, heights):
        for column, block in enumerate(line):
            left = _SHEET_MARGIN + column * (strip + _SHEET_GAP)
            _sheet_title(axes, batch, indices[block], left, top, strip)
            paper.grid(axes, left, top - _SHEET_TITLE - line_height, strip, line_height)
            _draw_rows(axes, drawn[block], blocks[block], batch.sampling_rate, left, top - _SHEET_TITLE)
        top -= _SHEET_TITLE + line_height + _SHEET_GAP
    paper.label(axes, _SHEET_MARGIN, _SHEET_MARGIN - 5.0, _scale(batch), size=2.6)
    return figure


def save_figure(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Writes a figure as SVG, PNG (200 dpi) or PDF, as the name's suffix says; the same figure gives the same bytes.

    Raises:
        WriteError: the picture cannot be written, exists already, or its name tells no known format.
    """
    import matplotlib as mpl

    path = Path(path)
    format = _picture_format(path)
    check_target(path, overwrite=overwrite, folder=False)
    staged = staging_path(path)
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[format]
    try:
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ecgsdk", "pdf.fonttype": 42}):
            figure.savefig(staged, format=format, dpi=_PNG_DPI, metadata=undated)
        publish(staged, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        discard(staged)


def _picture_format(path: Path) -> str:
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in PICTURE_FORMATS:
        raise WriteError(f"{path} is no picture that ecgsdk can draw; end its name in .{', .'.join(PICTURE_FORMATS)}")
    return suffix


def _centred(batch: ECGBatch, index: int, seconds: float) -> np.ndarray:
    # Missing samples stay missing and leave a gap in the trace.
    signals = batch.signals[index]
    baseline = np.median(np.nan_to_num(signals), axis=1, keepdims=True)
    return (signals - baseline)[:, : round(seconds * batch.sampling_rate)]


def _whole_row(signals: np.ndarray, lead: str) -> _Row:
    return _row(signals, (_Segment(lead, 0, signals.shape[1]),), _SHEET_LEAST_UP, _SHEET_LEAST_DOWN)


def _row(signals: np.ndarray, segments: tuple[_Segment, ...], least_up: float, least_down: float) -> _Row:
    parts = [signals[LEADS.index(part.lead), part.first : part.last] for part in segments]
    shown = np.nan_to_num(np.concatenate(parts))
    highest, lowest = shown.max() * paper.GAIN_MM_PER_MV, -shown.min() * paper.GAIN_MM_PER_MV
    return _Row(segments, _reach(highest + _LABEL_BAND, least_up), _reach(lowest, least_down))


def _reach(millimetres: float, least: float) -> float:
    return max(least, 5.0 * math.ceil(min(millimetres, _FARTHEST) / 5.0))


def _height(rows: Sequence[_Row]) -> float:
    return sum(row.up + row.down for row in rows)


def _strip_width(samples: int, sampling_rate: float) -> float:
    return _PULSE + 5.0 * math.ceil(samples / sampling_rate * paper.SPEED_MM_PER_S / 5.0 - 1e-9)


def _draw_rows(
    axes: Axes, rows: Sequence[_Row], signals: np.ndarray, sampling_rate: float, left: float, top: float
) -> None:
    for row in rows:
        baseline = top - row.up
        paper.calibration_pulse(axes, left + 4.0, baseline)
        for part in row.segments:
            start = left + _PULSE + part.first / sampling_rate * paper.SPEED_MM_PER_S
            samples = signals[LEADS.index(part.lead), part.first : part.last]
            paper.trace(axes, samples, sampling_rate, start, baseline)
            if part.first > 0:
                paper.lead_change(axes, start, top - 0.8 * _LABEL_BAND)
            paper.label(axes, start + 1.0, top - _LABEL_BAND + 0.5, part.lead, size=3.6, bold=True)
        top -= row.up + row.down


def _page_header(axes: Axes, batch: ECGBatch, index: int, width: float, height: float) -> None:
    condition = batch.conditions[index]
    meanings = "; ".join(STATEMENTS[code] for code in condition.statements if code in STATEMENTS)
    facts = [_rate_text(batch, index), *_patient(condition)]
    paper.label(axes, _MARGIN, height - 11, shorten(_codes(condition), 70, placeholder=" …"), size=5.0, bold=True)
    paper.label(axes, _MARGIN, height - 17, shorten(meanings, 120, placeholder=" …"), size=3.4)
    paper.label(axes, _MARGIN, height - 23, " · ".join(facts), size=3.4)
    right = width - _MARGIN
    if batch.synthetic:
        paper.label(axes, right, height - 11, "SYNTHETIC", size=5.0, bold=True, color=_WARNING_RED, align="right")
    paper.label(axes, right, height - 17, f"record {batch.identifiers[index]}", size=3.4, align="right")


def _page_footer(axes: Axes, batch: ECGBatch, width: float, top: float) -> None:
    paper.label(axes, _MARGIN, top - 6, _scale(batch), size=3.0)
    if batch.provenance is not None:
        made_by = f"{batch.provenance.model}, seed {batch.provenance.seed}, ecgsdk {batch.provenance.version}"
        paper.label(axes, width - _MARGIN, top - 6, made_by, size=3.0, align="right")


def _sheet_title(axes: Axes, batch: ECGBatch, index: int, left: float, top: float, width: float) -> None:
    condition = batch.conditions[index]
    letters = int(0.14 * width)
    codes = shorten(_codes(condition), letters, placeholder=" …")
    paper.label(axes, left, top - 6, codes, size=4.0, bold=True)
    facts = [_rate_text(batch, index), *_patient(condition), f"record {batch.identifiers[index]}"]
    # A short strip has room for either end of the line only.
    paper.label(axes, left + width, top - 6, " · ".join(facts if width > 200 else facts[:1]), size=2.8, align="right")
    if batch.synthetic:
        paper.label(axes, left + 0.45 * width, top - 6, "SYNTHETIC", size=3.0, color=_WARNING_RED, align="center")


def _codes(condition: Condition) -> str:
    return " + ".join(condition.statements) or "no statements"


def _patient(condition: Condition) -> list[str]:
    age = [] if condition.age is None else [f"age {format_span(condition.age)}"]
    return age + ([] if condition.sex is None else [f"sex {condition.sex}"])


def _rate_text(batch: ECGBatch, index: int) -> str:
    """The rate that the signal shows; beside it the one asked for, when the ECG is synthetic."""
    signals = np.nan_to_num(batch.signals[index : index + 1])
    measured = heart_rate(detect_beats(signals, batch.sampling_rate)[0])
    text = "heart rate not measurable" if math.isnan(measured) else f"heart rate {measured:.0f} bpm"
    asked = batch.conditions[index].heart_rate
    return f"{text} (asked for {format_span(asked)})" if batch.synthetic and asked is not None else text


def _scale(batch: ECGBatch) -> str:
    speed, gain = paper.SPEED_MM_PER_S, paper.GAIN_MM_PER_MV
    return f"{speed:g} mm/s · {gain:g} mm/mV · {batch.sampling_rate:g} Hz"
