"""The standard 12-lead page of an ECG, and sheets of several, as SVG, PNG or PDF.

The page is laid out as an electrocardiograph prints it: unless asked otherwise at 25 mm/s, 10 mm/mV, three rows of four
leads for 2.5 s each, read on in time from column to column, over ten seconds of lead II (Kligfield et al. 2007,
Circulation 115:1306).
"""

from __future__ import annotations

import io
import math
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ecgsdk import fonts, pages, paper
from ecgsdk.captions import maker, statement_codes
from ecgsdk.errors import DataError, WriteError
from ecgsdk.leads import LEADS
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from matplotlib.figure import Figure

    from ecgsdk.batch import ECGBatch

__all__ = ["PICTURE_FORMATS", "batch_svg", "plot_file", "plot_pair", "plot_record", "plot_records", "save_figure"]

PICTURE_FORMATS = ("svg", "png", "pdf")

_STANDARD = paper.Scale()
_SHEET_LEADS = ("II",)
_MOST_IN_NOTEBOOK = 6

# Millimetres.
_MARGIN, _LEAST_MARGIN = 16.0, 12.0
_SHEET_MARGIN, _SHEET_GAP = 10.0, 6.0

_PNG_DPI = 200
_MOST_PIXELS = 100_000_000


def plot_file(
    path: str | Path,
    output: str | Path,
    records: Sequence[int] = (0,),
    *,
    leads: Sequence[str] | None = None,
    seconds: float | None = None,
    columns: int = 1,
    layout: str = "3x4",
    rhythm: Sequence[str] | None = None,
    scale: paper.Scale = _STANDARD,
    beside: tuple[str | Path, int] | None = None,
    input_rate: float | None = None,
    input_unit: str | None = None,
    input_leads: Sequence[str] | None = None,
    overwrite: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> None:
    """Draws records of a file of ECGs into a picture: one as a page, two one above the other, or several as a sheet.

    One record whose `leads` are chosen is a sheet too. Leads and columns are those of a sheet, as `plot_records` takes
    them; layout and rhythm strips those of a page, as `plot_record` takes them. `beside` is a second file and a record
    of it, drawn on one page with the first's. `input_rate`, `input_unit` and `input_leads` say what the file does not,
    as `ecgsdk.read_ecgs` takes them; they hold for the second file too where both names end alike. `tell` is as for
    `save_figure`.

    Raises:
        DataError: a file cannot be read or has no such record, a layout, lead or length that there is not, or a page
            that would be too large.
        WriteError: the picture cannot be written, exists already, or its name tells no known format.
        RuntimeSetupError: Matplotlib is not installed.
    """
    # Before the file is read: what cannot be written is said at once.
    _picture_format(Path(output))
    check_target(Path(output), overwrite=overwrite, folder=False)
    stated = {"input_rate": input_rate, "input_unit": input_unit, "input_leads": input_leads}
    batch = _read(path, records, stated)
    if beside is not None:
        alike = Path(beside[0]).suffix.lower() == Path(path).suffix.lower()
        other = _read(beside[0], [beside[1]], stated if alike else {})
        figure = plot_pair(batch[0], other, layout=layout, rhythm=rhythm, scale=scale, seconds=seconds)
    elif len(batch) == 1 and leads is None:
        figure = plot_record(batch, 0, layout=layout, rhythm=rhythm, scale=scale, seconds=seconds)
    else:
        chosen, positions = _SHEET_LEADS if leads is None else leads, range(len(batch))
        figure = plot_records(batch, positions, leads=chosen, seconds=seconds, columns=columns, scale=scale)
    save_figure(figure, output, overwrite=overwrite, tell=tell)


def plot_record(
    batch: ECGBatch,
    index: int = 0,
    *,
    layout: str = "3x4",
    rhythm: Sequence[str] | None = None,
    scale: paper.Scale = _STANDARD,
    seconds: float | None = None,
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
        seconds: length of the page, at most that of the record; the columns share it. None: ten, or all there are.

    Raises:
        DataError: an unknown layout or lead, more seconds than the record has, or a page that would be too large.
        RuntimeSetupError: Matplotlib is not installed.
    """
    return _pages([pages.page_block(batch[index], layout, rhythm, scale, seconds)], told_apart=False)


def plot_pair(
    first: ECGBatch,
    second: ECGBatch,
    *,
    layout: str = "3x4",
    rhythm: Sequence[str] | None = None,
    scale: paper.Scale = _STANDARD,
    seconds: float | None = None,
) -> Figure:
    """Two records on one page, such as a real and a synthetic one, each marked REAL or SYNTHETIC.

    One above the other, A3 portrait or larger, at the same scale. Arguments and errors are those of `plot_record`;
    of each batch the first record is drawn.
    """
    blocks = [pages.page_block(batch[0], layout, rhythm, scale, seconds) for batch in (first, second)]
    return _pages(blocks, told_apart=True)


def plot_records(
    batch: ECGBatch,
    indices: Sequence[int],
    *,
    leads: Sequence[str] = _SHEET_LEADS,
    seconds: float | None = None,
    columns: int = 1,
    scale: paper.Scale = _STANDARD,
) -> Figure:
    """A sheet of several records, each as strips of some leads, in true millimetres; the page is as large as it needs.

    Side by side, a lead lies at the same height in all records.

    Args:
        batch: where the records are.
        indices: positions of the records in the batch; read from left to right, then down.
        leads: leads to show; `ecgsdk.leads.LEADS` shows them all.
        seconds: length of the strips, at most that of the records. None: ten, or all there are.
        columns: records beside one another.
        scale: paper speed and gain.

    Raises:
        DataError: an unknown lead, nothing to draw, more seconds than the records have, or a page that would be too
            large.
        RuntimeSetupError: Matplotlib is not installed.
    """
    unknown = [lead for lead in leads if lead not in LEADS]
    if unknown or not leads or not len(indices):
        raise DataError(f"unknown lead {unknown[0]!r}" if unknown else "no record or no lead to draw")
    blocks = [pages.sheet_block(batch[index], leads, scale, seconds) for index in indices]
    lines = [pages.aligned(blocks[first : first + columns]) for first in range(0, len(blocks), columns)]
    step = blocks[0].width + _SHEET_GAP
    width = 2 * _SHEET_MARGIN + min(columns, len(blocks)) * step - _SHEET_GAP
    height = 2 * _SHEET_MARGIN + sum(pages.SHEET_TITLE + line[0].height + _SHEET_GAP for line in lines) - _SHEET_GAP
    figure, axes = paper.new_page(width, height)
    top = height - _SHEET_MARGIN
    for line in lines:
        for column, block in enumerate(line):
            left = _SHEET_MARGIN + column * step
            pages.sheet_title(axes, block.record, left, top, block.width)
            pages.draw_block(axes, block, left, top - pages.SHEET_TITLE)
        top -= pages.SHEET_TITLE + line[0].height + _SHEET_GAP
    pages.sheet_footer(axes, blocks[0], (_SHEET_MARGIN, width - _SHEET_MARGIN), _SHEET_MARGIN - 5.0)
    figure.set_label(f"{len(blocks)} {'synthetic' if batch.synthetic else 'real'} ECGs{_made_by(batch)}")
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
    # Notebooks put the image into a page: there an XML declaration has no place, and a narrow page shrinks the image.
    return text[text.index("<svg") :].replace("<svg", '<svg style="max-width: 100%; height: auto"', 1)


def save_figure(
    figure: Figure,
    path: str | Path,
    *,
    overwrite: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> None:
    """Writes a figure as SVG, PNG (200 dpi) or PDF, as the name's suffix says; the same figure gives the same bytes.

    The file's title is the figure's label: which ECGs these are, whether they are synthetic, and what made them. An SVG
    leaves its letters to the viewer's fonts. PNG and PDF take those of this machine; `fonts.PLACEHOLDER` stands for
    letters that no font here has, and `tell` is told their scripts in a line.

    Raises:
        WriteError: the picture cannot be written, exists already, is too large for PNG, or its name tells no known
            format.
    """
    path = Path(path)
    format = _picture_format(path)
    check_target(path, overwrite=overwrite, folder=False)
    pixels = math.prod(figure.get_size_inches() * _PNG_DPI)
    if format == "png" and pixels > _MOST_PIXELS:
        raise WriteError(f"{path} would have {pixels / 1e6:.0f} million pixels; end its name in .svg or .pdf")
    staged, lacking = staging_path(path), "" if format == "svg" else _letters_without_font(figure)
    if lacking:
        found = f"no font here has its {' and '.join(fonts.scripts(lacking))} letters"
        tell(f"warning: {path}: {found}, {fonts.PLACEHOLDER} stands for them; an .svg shows them, or install a font")
    try:
        _save(figure, staged, format, lacking)
        publish(staged, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        discard(staged)


def _save(figure: Figure, target: Path | BinaryIO, format: str, lacking: str = "") -> None:
    """Writes a figure, with a placeholder for each of the letters that are `lacking`."""
    import matplotlib as mpl

    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[format]
    title = "".join(filter(str.isprintable, str(figure.get_label())))
    metadata = undated | ({"Title": title} if title else {})
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "ecgsdk", "pdf.fonttype": 42}
    with mpl.rc_context(settings), warnings.catch_warnings(), _replaced(figure, lacking):
        # In SVG the viewer's own fonts have them.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(target, format=format, dpi=_PNG_DPI, metadata=metadata)


def _letters_without_font(figure: Figure) -> str:
    from matplotlib.text import Text

    return fonts.without_font("".join(text.get_text() for text in figure.findobj(Text)))


@contextmanager
def _replaced(figure: Figure, letters: str) -> Iterator[None]:
    """In the block, a placeholder stands for each of these letters."""
    from matplotlib.text import Text

    table = str.maketrans(dict.fromkeys(letters, fonts.PLACEHOLDER))
    with ExitStack() as restored:
        for text in figure.findobj(Text) if letters else ():
            restored.callback(text.set_text, text.get_text())
            text.set_text(text.get_text().translate(table))
        yield


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


def _pages(blocks: Sequence[pages.Block], *, told_apart: bool) -> Figure:
    """Records one above the other, each with its header and footer on at least an A4 page."""
    widest = max(block.width for block in blocks)
    # Five seconds at 50 mm/s fit on A4, with narrower margins.
    margin = min(_MARGIN, max(_LEAST_MARGIN, (pages.A4_LANDSCAPE[0] - widest) / 2))
    width = max(pages.A4_LANDSCAPE[0], 2 * margin + widest)
    heights = [max(pages.A4_LANDSCAPE[1], pages.HEADER + block.height + pages.FOOTER) for block in blocks]
    figure, axes = paper.new_page(width, sum(heights))
    top, sides = sum(heights), (margin, width - margin)
    for block, height in zip(blocks, heights):
        pages.draw_block(axes, block, margin, top - pages.HEADER)
        pages.page_header(axes, block.record, sides, top, told_apart=told_apart)
        pages.page_footer(axes, block, sides, top - pages.HEADER - block.height)
        top -= height
    figure.set_label(" beside ".join(_title(block.record) for block in blocks))
    return figure


def _title(record: ECGBatch) -> str:
    """What a picture's file says that it shows."""
    kind = "synthetic" if record.synthetic else "real"
    return f"{kind} ECG: {statement_codes(record.conditions[0])}, record {record.identifiers[0]}{_made_by(record)}"


def _made_by(batch: ECGBatch) -> str:
    return f" ({maker(batch.provenance)})" if batch.provenance else ""
