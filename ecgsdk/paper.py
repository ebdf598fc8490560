"""ECG paper in true millimetres: a page, its grid, calibration pulses and traces, drawn with Matplotlib.

Matplotlib rather than ecg-plot, which was tried (0.3.0): its SVG is correct and needs only NumPy, but its PNG and
PDF need the system's Cairo library, gaps between its panels put the leads out of step with the rhythm strip, and it
draws no sheets of several records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import RuntimeSetupError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GAIN_MM_PER_MV",
    "SPEED_MM_PER_S",
    "calibration_pulse",
    "grid",
    "label",
    "lead_change",
    "new_page",
    "trace",
]

SPEED_MM_PER_S = 25.0
GAIN_MM_PER_MV = 10.0

_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
_MINOR = ("#f6d5d5", 0.10)
_MAJOR = ("#e79f9f", 0.18)
_INK = "#101014"
_TRACE_MM = 0.28


def new_page(width: float, height: float) -> tuple[Figure, Axes]:
    """A white page, and axes over all of it whose coordinates are millimetres from its lower left corner.

    Raises:
        RuntimeSetupError: Matplotlib is not installed.
    """
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


def trace(axes: Axes, millivolts: np.ndarray, sampling_rate: float, left: float, baseline: float) -> None:
    """A signal of shape (samples,), starting at `left`, 0 mV on `baseline`."""
    x = left + np.arange(len(millivolts)) / sampling_rate * SPEED_MM_PER_S
    _line(axes, x, baseline + np.asarray(millivolts, dtype=float) * GAIN_MM_PER_MV)


def calibration_pulse(axes: Axes, left: float, baseline: float) -> None:
    """1 mV for 0.2 s: 10 mm high, 5 mm wide, with a foot of 1 mm on both sides."""
    x = left + np.array([0.0, 1.0, 1.0, 6.0, 6.0, 7.0])
    _line(axes, x, baseline + GAIN_MM_PER_MV * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0]))


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
    color: str = _INK,
    align: str = "left",
) -> None:
    """Text with its baseline at `bottom`; `size` is the letters' height in millimetres, as fonts measure it."""
    axes.text(
        left,
        bottom,
        text,
        fontsize=size * _POINTS_PER_MM,
        fontweight="bold" if bold else "normal",
        color=color,
        ha=align,
        va="baseline",
        parse_math=False,
    )


def _line(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    axes.plot(x, y, color=_INK, linewidth=_TRACE_MM * _POINTS_PER_MM, solid_joinstyle="round", solid_capstyle="round")
