"""ECG paper in true millimetres: a page, its grid, calibration pulses and traces, drawn with Matplotlib.

Matplotlib rather than ecg-plot, which was tried (0.3.0): its SVG is correct and needs only NumPy, but its PNG and
PDF need the system's Cairo library, gaps between its panels put the leads out of step with the rhythm strip, and it
draws no sheets of several records.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import DataError, RuntimeSetupError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GAINS",
    "GAIN_MM_PER_MV",
    "SPEEDS",
    "SPEED_MM_PER_S",
    "Scale",
    "calibration_pulse",
    "grid",
    "label",
    "lead_change",
    "new_page",
    "trace",
]

SPEED_MM_PER_S = 25.0
GAIN_MM_PER_MV = 10.0
SPEEDS = (25.0, 50.0)
"""Paper speeds that can be drawn, mm/s."""
GAINS = (5.0, 10.0, 20.0)
"""Gains that can be drawn, mm/mV."""

_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
_MINOR = ("#f6d5d5", 0.10)
_MAJOR = ("#e79f9f", 0.18)
_INK = "#101014"
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


def trace(axes: Axes, millivolts: np.ndarray, sampling_rate: float, left: float, baseline: float, scale: Scale) -> None:
    """A signal of shape (samples,), starting at `left`, 0 mV on `baseline`."""
    x = left + np.arange(len(millivolts)) / sampling_rate * scale.speed
    _line(axes, x, baseline + np.asarray(millivolts, dtype=float) * scale.gain)


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
