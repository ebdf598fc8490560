"""ECG paper in true millimetres: a page, its grid, calibration pulses and traces, drawn with Matplotlib.

Matplotlib rather than ecg-plot, which was tried (0.3.0): its SVG is correct and needs only NumPy, but its PNG and
PDF need the system's Cairo library, gaps between its panels put the leads out of step with the rhythm strip, and it
draws no sheets of several records.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk import fonts
from ecgsdk.errors import DataError, RuntimeSetupError

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = [
    "GAINS",
    "GAIN_MM_PER_MV",
    "INK",
    "LARGEST_SIDE",
    "SPEEDS",
    "SPEED_MM_PER_S",
    "Scale",
    "calibration_pulse",
    "grid",
    "label",
    "lead_change",
    "new_page",
    "text_width",
    "trace",
]

SPEED_MM_PER_S = 25.0
GAIN_MM_PER_MV = 10.0
SPEEDS = (25.0, 50.0)
"""Paper speeds that can be drawn, mm/s."""
GAINS = (5.0, 10.0, 20.0)
"""Gains that can be drawn, mm/mV."""

INK = "#101014"
LARGEST_SIDE = 5000.0
"""The longest side of a page, mm: PDF readers take 200 inches (PDF 1.7, ISO 32000-1, annex C)."""

_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
_MINOR = ("#f6d5d5", 0.10)
_MAJOR = ("#e79f9f", 0.18)
_TRACE_MM = 0.28
_PULSE_SECONDS = 0.2
_PULSE_FOOT, _PULSE_MARGIN = 1.0, 4.0


@dataclass(frozen=True)
class Scale:
    """How large time and voltage are drawn.

    Attributes:
        speed: mm/s, one of `SPEEDS`.
        gain: mm/mV, one of `GAINS`.

    Raises:
        DataError: another speed or gain.
    """

    speed: float = SPEED_MM_PER_S
    gain: float = GAIN_MM_PER_MV

    def __post_init__(self) -> None:
        for name, value, known, unit in (
            ("paper speed", self.speed, SPEEDS, "mm/s"),
            ("gain", self.gain, GAINS, "mm/mV"),
        ):
            if value not in known:
                allowed = ", ".join(f"{one:g}" for one in known)
                raise DataError(f"a {name} of {value:g} {unit} cannot be drawn; take one of {allowed}")

    @property
    def pulse_room(self) -> float:
        """Width in mm that the calibration pulse takes before a trace, a multiple of 5."""
        drawn = _PULSE_MARGIN + 2 * _PULSE_FOOT + _PULSE_SECONDS * self.speed
        return 5.0 * math.ceil((drawn + 2.0) / 5.0)

    def strip_width(self, samples: int, sampling_rate: float) -> float:
        """Width in mm of the pulse and that many samples, a multiple of 5."""
        return self.pulse_room + 5.0 * math.ceil(samples / sampling_rate * self.speed / 5.0 - 1e-9)

    def __str__(self) -> str:
        return f"{self.speed:g} mm/s · {self.gain:g} mm/mV"


def new_page(width: float, height: float) -> tuple[Figure, Axes]:
    """A white page, and axes over all of it whose coordinates are millimetres from its lower left corner.

    Raises:
        DataError: a side is longer than `LARGEST_SIDE`.
        RuntimeSetupError: Matplotlib is not installed.
    """
    if max(width, height) > LARGEST_SIDE:
        raise DataError(
            f"a page of {width / 1000:.1f} m × {height / 1000:.1f} m is too large, its sides may have "
            f"{LARGEST_SIDE / 1000:g} m: draw fewer seconds, records or columns"
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeSetupError('plots need Matplotlib; run: pip install "ecgsdk[plot]"') from error
    figure = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def grid(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Lines each millimetre, stronger ones each five, from `left` and `bottom`; both sizes are multiples of 5 mm."""
    from matplotlib.collections import LineCollection

    for spacing, (color, line_mm) in ((1.0, _MINOR), (5.0, _MAJOR)):
        across = left + np.arange(0, width + 1e-6, spacing)
        up = bottom + np.arange(0, height + 1e-6, spacing)
        lines = [((x, bottom), (x, bottom + height)) for x in across]
        lines += [((left, y), (left + width, y)) for y in up]
        axes.add_collection(
            LineCollection(lines, colors=color, linewidths=line_mm * _POINTS_PER_MM, capstyle="butt"),
            autolim=False,
        )


def trace(
    axes: Axes,
    millivolts: np.ndarray,
    sampling_rate: float,
    left: float,
    baseline: float,
    scale: Scale,
    edges: tuple[float, float, float, float],
) -> None:
    """A signal of shape (samples,), starting at `left`, 0 mV on `baseline`, cut off at `edges`.

    The edges are left, bottom, width and height of the paper.
    """
    from matplotlib.patches import Rectangle

    x = left + np.arange(len(millivolts)) / sampling_rate * scale.speed
    line = _line(axes, x, baseline + np.asarray(millivolts, dtype=float) * scale.gain)
    line.set_clip_path(Rectangle(edges[:2], *edges[2:], transform=axes.transData))


def calibration_pulse(axes: Axes, left: float, baseline: float, scale: Scale) -> None:
    """1 mV for 0.2 s, with a foot of 1 mm on both sides, 4 mm from `left`: at 25 mm/s, 10 mm/mV 5 mm by 10 mm."""
    foot, rise = _PULSE_FOOT, _PULSE_FOOT + _PULSE_SECONDS * scale.speed
    x = left + _PULSE_MARGIN + np.array([0.0, foot, foot, rise, rise, rise + foot])
    _line(axes, x, baseline + scale.gain * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0]))


def lead_change(axes: Axes, x: float, bottom: float) -> None:
    """A stroke of 4 mm where one lead gives way to another; clear of the trace, of which it must not seem a part."""
    _line(axes, np.array([x, x]), bottom + np.array([0.0, 4.0]))


def label(
    axes: Axes,
    left: float,
    bottom: float,
    text: str,
    *,
    size: float = 3.2,
    bold: bool = False,
    color: str = INK,
    align: str = "left",
    room: float = math.inf,
) -> None:
    """One line of text with its baseline at `bottom`.

    Args:
        axes: of the page.
        left: where the text begins, or ends where `align` is "right".
        bottom: the baseline.
        text: what is written; control characters are left out.
        size: the letters' height in millimetres, as fonts measure it.
        bold: whether the letters are bold.
        color: of the letters.
        align: "left" or "right".
        room: the width that the text may have; a longer one loses its end, and gets "…" instead.
    """
    shown = _fitting("".join(filter(str.isprintable, text)), size, bold, room)
    axes.text(
        left,
        bottom,
        shown,
        fontfamily=fonts.families(shown),
        fontsize=size * _POINTS_PER_MM,
        fontweight="bold" if bold else "normal",
        color=color,
        ha=align,
        va="baseline",
        parse_math=False,
    )


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in millimetres of a line of text, in the page's font; a letter that it lacks is as wide as it is high."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font, lacking = FontProperties(size=size, weight="bold" if bold else "normal"), set(fonts.beyond(text))
    known = "".join(letter for letter in text if letter not in lacking)
    width = text_to_path.get_text_width_height_descent(known, font, ismath=False)[0] if known else 0.0
    return float(width) + size * (len(text) - len(known))


def _fitting(text: str, size: float, bold: bool, room: float) -> str:
    # Letters drawn on pixels, or in a viewer's own font, are a little wider than the font says.
    room /= 1.05
    if math.isinf(room) or text_width(text, size, bold=bold) <= room:
        return text
    shorter = range(min(len(text), 300))
    kept = bisect.bisect_right(shorter, room, key=lambda n: text_width(f"{text[:n]} …", size, bold=bold)) - 1
    return f"{text[: max(kept, 0)].rstrip(' +;·,')} …"


def _line(axes: Axes, x: np.ndarray, y: np.ndarray) -> Line2D:
    (line,) = axes.plot(
        x, y, color=INK, linewidth=_TRACE_MM * _POINTS_PER_MM, solid_joinstyle="round", solid_capstyle="round"
    )
    return line
