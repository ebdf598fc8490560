"""Charts of a report as inline SVG: lines, steps of histograms, bars.

Colours come from the page's style sheet by class (`real`, `synthetic`, `other-1` …), so that a chart follows a light
or dark page. Who sees no colours tells series by weight, dashes and hatching.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgsdk.validation.report.markup import Markup, element, join
from ecgsdk.validation.report.rounding import decimals, finite, number
from ecgsdk.validation.report.scales import Scale, linear_scale, log_scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ecgsdk.validation.results import Chart, Series

__all__ = ["chart_svg", "shortened", "text_width"]

_WIDTH, _PLOT_HEIGHT = 430.0, 200.0
_RIGHT, _LINE, _TICKS_BELOW = 22.0, 18.0, 38.0
_BAR, _BAR_GAP, _VALUE_ROOM, _MOST_NAME = 13.0, 9.0, 44.0, 26
_LETTER = 6.5
_OTHERS = 5
_DASHES = (None, "7 3", "2 3", "9 3 2 3", "12 4", "4 4")
_ANGLES = (0, 45, -45, 90, 20, -20)
_FEW_POINTS = 16


@dataclass(frozen=True)
class _Look:
    """How a series is told from others: by the class of its colour, and by dashes or hatching unless `order` is 0."""

    css: str
    order: int

    @property
    def dash(self) -> str | None:
        return _DASHES[self.order % len(_DASHES)]

    def bar_class(self) -> str:
        return f"{self.css} hatched" if self.order else self.css

    def bar_fill(self, identifier: str) -> str | None:
        return f"url(#{identifier}-{self.css}-{self.order})" if self.order else None


@dataclass(frozen=True)
class _Curve:
    """A series ready to be drawn: its look, and points of which y may be missing."""

    name: str
    look: _Look
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True)
class _Frame:
    """Where the plot lies on the drawing, and its axes."""

    left: float
    top: float
    bottom: float
    x: Scale
    y: Scale
    x_labels: tuple[str, ...]


def chart_svg(chart: Chart, identifier: str) -> Markup:
    """A chart, 430 units wide.

    Args:
        chart: may be empty, have gaps, or a single point.
        identifier: unique on the page; begins the ids of title and description.
    """
    looks = _looks(chart.series)
    height, parts = _bars(chart, looks, identifier) if chart.kind == "bars" else _curves(chart, looks)
    return element(
        "svg",
        element("title", chart.title, id=f"{identifier}-title"),
        element("desc", _description(chart), id=f"{identifier}-desc"),
        *parts,
        class_="chart",
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        role="img",
        aria_labelledby=f"{identifier}-title {identifier}-desc",
        xmlns="http://www.w3.org/2000/svg",
    )


def text_width(shown: str) -> float:
    """About how wide a text is on a chart, in the system's sans serif."""
    return len(shown) * _LETTER


def shortened(shown: str, letters: int) -> str:
    """The text, its end left out when it is longer than that many letters."""
    return shown if len(shown) <= letters else shown[: letters - 1].rstrip() + "…"


def _looks(series: Sequence[Series]) -> list[_Look]:
    """The look of each series: its role's colour, and one more dash for each further series of that role."""
    looks: list[_Look] = []
    for one in series:
        order = sum(earlier.role == one.role for earlier in series[: len(looks)])
        looks.append(_Look(one.role, order) if one.role else _Look(f"other-{order % _OTHERS + 1}", order + 1))
    return looks


def _curves(chart: Chart, looks: Sequence[_Look]) -> tuple[float, list[Markup]]:
    names = _names(chart.series)
    curves = [_curve(series, look, names) for series, look in zip(chart.series, looks)]
    if chart.kind == "steps":
        curves = [_with_right_edge(curve, chart.log_x) for curve in curves]
    legend = _legend([(one.name, one.look) for one in curves], chart.kind)
    frame = _frame(chart, curves, names, top=_LINE * (1 + len(legend)) + 6)
    parts = [*legend, _axes(frame, chart)]
    drawn = [_steps(curve, frame) if chart.kind == "steps" else _line(curve, frame) for curve in curves]
    if not any(drawn):
        drawn = [_centred("nothing to show", (frame.left + _WIDTH) / 2, (frame.top + frame.bottom) / 2)]
    return frame.bottom + _TICKS_BELOW, [*parts, *(part for part in drawn if part)]


def _curve(series: Series, look: _Look, names: Sequence[str]) -> _Curve:
    points = []
    for x, y in zip(series.x, series.y):
        place = float(names.index(str(x))) if names else finite(x)
        if place is not None:
            points.append((float(place), finite(y)))
    return _Curve(series.name, look, tuple(points))


def _names(series: Iterable[Series]) -> tuple[str, ...]:
    """Names on the x axis, each once; none if all are numbers."""
    values = [x for one in series for x in one.x]
    return tuple(dict.fromkeys(map(str, values))) if any(isinstance(x, str) for x in values) else ()


def _with_right_edge(curve: _Curve, log: bool) -> _Curve:
    """The last left edge is followed by a right one, as far away as the one before."""
    if not curve.points:
        return curve
    last = curve.points[-1][0]
    before = curve.points[-2][0] if len(curve.points) > 1 else last / 2 if log else last - 1
    edge = last * last / before if log and before > 0 else last + (last - before)
    return _Curve(curve.name, curve.look, (*curve.points, (edge, None)))


def _frame(chart: Chart, curves: Sequence[_Curve], names: Sequence[str], top: float) -> _Frame:
    bottom = top + _PLOT_HEIGHT
    ys = [y for curve in curves for _, y in curve.points if y is not None]
    y = log_scale(ys, bottom, top) if chart.log_y else linear_scale(ys, bottom, top, zero=chart.kind == "steps")
    left = 12 + max((text_width(label) for label in y.labels()), default=0)
    xs = [x for curve in curves for x, _ in curve.points]
    end = _WIDTH - _RIGHT
    if names:
        x = Scale(-0.5, len(names) - 0.5, left, end, False, tuple(float(i) for i in range(len(names))))
        room = int((end - left) / len(names) / _LETTER)
        every = max(1, math.ceil(4 / max(room, 1)))
        labels = tuple(shortened(n, max(room * every, 3)) if i % every == 0 else "" for i, n in enumerate(names))
        return _Frame(left, top, bottom, x, y, labels)
    x = log_scale(xs, left, end, tight=True) if chart.log_x else linear_scale(xs, left, end, tight=True)
    return _Frame(left, top, bottom, x, y, x.labels())


def _axes(frame: _Frame, chart: Chart) -> Markup:
    end = _WIDTH - _RIGHT
    parts = [element("text", chart.y_label, x=frame.left, y=frame.top - 9, class_="axis-title")]
    for tick, label in zip(frame.y.ticks, frame.y.labels()):
        y = frame.y.place(tick) or 0.0
        parts.append(element("path", d=f"M{_at(frame.left)} {_at(y)}H{_at(end)}", class_="grid-line"))
        parts.append(element("text", label, x=_at(frame.left - 6), y=_at(y + 4), text_anchor="end"))
    for tick, label in zip(frame.x.ticks, frame.x_labels):
        x = frame.x.place(tick) or 0.0
        parts.append(element("path", d=f"M{_at(x)} {_at(frame.bottom)}v4", class_="axis-line"))
        parts.append(_centred(label, x, frame.bottom + 17))
    base = element("path", d=f"M{_at(frame.left)} {_at(frame.bottom)}H{_at(end)}", class_="axis-line")
    title = _centred(chart.x_label, (frame.left + end) / 2, frame.bottom + 34, "axis-title")
    return element("g", *parts, base, title, class_="axes")


def _line(curve: _Curve, frame: _Frame) -> Markup | None:
    runs = _runs(curve, frame)
    points = [point for run in runs for point in run]
    if not points:
        return None
    path = "".join("M" + "L".join(f"{_at(x)} {_at(y)}" for x, y in run) for run in runs if len(run) > 1)
    shown = points if len(points) <= _FEW_POINTS else [run[0] for run in runs if len(run) == 1]
    return element(
        "g",
        element("path", d=path, stroke_dasharray=curve.look.dash, class_="line") if path else None,
        *(element("circle", cx=_at(x), cy=_at(y), r="2.6", class_="point") for x, y in shown),
        class_=curve.look.css,
    )


def _steps(curve: _Curve, frame: _Frame) -> Markup | None:
    base = _at(frame.y.place(max(frame.y.low, 0.0)) or frame.bottom)
    outline, area = "", ""
    for run in _bin_runs(curve, frame):
        tops = "".join(f"V{_at(y)}H{_at(right)}" for _, right, y in run)
        left, _, y = run[0]
        outline += f"M{_at(left)} {_at(y)}{tops}"
        area += f"M{_at(left)} {base}{tops}V{base}Z"
    if not outline:
        return None
    line = element("path", d=outline, stroke_dasharray=curve.look.dash, class_="line")
    return element("g", element("path", d=area, class_="area"), line, class_=curve.look.css)


def _bin_runs(curve: _Curve, frame: _Frame) -> list[list[tuple[float, float, float]]]:
    """Left, right and top of each bin, in runs between gaps."""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for (left, height), (right, _) in zip(curve.points, curve.points[1:]):
        places = frame.x.place(left), frame.x.place(right), None if height is None else frame.y.place(height)
        if None in places:
            runs.append([])
        else:
            runs[-1].append(places)  # type: ignore[arg-type]
    return [run for run in runs if run]


def _runs(curve: _Curve, frame: _Frame) -> list[list[tuple[float, float]]]:
    """Places of the points, in runs between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in curve.points:
        place = frame.x.place(x), None if y is None else frame.y.place(y)
        if place[0] is not None and place[1] is not None:
            runs[-1].append((place[0], place[1]))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _bars(chart: Chart, looks: Sequence[_Look], identifier: str) -> tuple[float, list[Markup]]:
    """Horizontal bars, so that names stay readable; each group of bars stands for a name."""
    names = tuple(dict.fromkeys(str(x) for series in chart.series for x in series.x))
    values = [dict(zip(map(str, series.x), map(finite, series.y))) for series in chart.series]
    known = [value for one in values for value in one.values() if value is not None]
    legend = _legend([(series.name, look) for series, look in zip(chart.series, looks)], "bars", identifier)
    top = _LINE * (1 + len(legend)) + 6
    group = _BAR * max(1, len(values)) + _BAR_GAP
    bottom = top + group * max(1, len(names))
    scale, places = _value_scale(chart, names, known), decimals(known)
    parts = [_hatches(looks, identifier), *legend, _value_axis(scale, top, bottom, chart)]
    for row, name in enumerate(names):
        y = top + group * row + _BAR_GAP / 2
        parts.append(_bar_name(name, scale.start - 6, y + _BAR * len(values) / 2 + 4))
        for series, look in zip(values, looks):
            parts.append(_bar(series.get(name), scale, y, places, look.bar_class(), look.bar_fill(identifier)))
            y += _BAR
    if not known:
        parts.append(_centred("nothing to show", (scale.start + scale.end) / 2, (top + bottom) / 2 + 4))
    return bottom + _TICKS_BELOW, parts


def _bar_name(name: str, right: float, y: float) -> Markup:
    label = element("text", shortened(name, _MOST_NAME), x=_at(right), y=_at(y), text_anchor="end")
    return element("g", element("title", name), label)


def _value_scale(chart: Chart, names: Sequence[str], known: Sequence[float]) -> Scale:
    left = 12 + max((text_width(shortened(name, _MOST_NAME)) for name in names), default=0)
    end = _WIDTH - _VALUE_ROOM
    return log_scale(known, left, end) if chart.log_y else linear_scale(known, left, end, zero=True)


def _value_axis(scale: Scale, top: float, bottom: float, chart: Chart) -> Markup:
    parts = [element("text", chart.x_label, x="6", y=_at(top - 9), class_="axis-title")]
    for tick, label in zip(scale.ticks, scale.labels()):
        x = scale.place(tick) or 0.0
        parts.append(element("path", d=f"M{_at(x)} {_at(top)}V{_at(bottom)}", class_="grid-line"))
        parts.append(_centred(label, x, bottom + 15))
    return element("g", *parts, _centred(chart.y_label, (scale.start + scale.end) / 2, bottom + 32, "axis-title"))


def _bar(value: float | None, scale: Scale, y: float, places: int, css: str, fill: str | None) -> Markup:
    """A bar from zero to the value, which stands beside it; nothing where there is no value."""
    place = None if value is None else scale.place(value)
    if place is None:
        return Markup()
    zero = scale.start if scale.log else scale.place(0.0) or scale.start
    size = {"width": _at(max(abs(place - zero), 0.8)), "height": _at(_BAR - 2)}
    bar = element("rect", x=_at(min(zero, place)), y=_at(y + 1), **size, class_="bar", fill=fill)
    told = element(
        "text", number(value, places), x=_at(max(place, zero) + 4), y=_at(y + _BAR / 2 + 3.5), class_="value"
    )
    return element("g", bar, told, class_=css)


def _hatches(looks: Iterable[_Look], identifier: str) -> Markup:
    """A pattern for each series that is told by more than its role, each at its own angle."""
    patterns = []
    for look in looks:
        if look.order:
            stripe = element("path", d="M0 0V6", class_=f"{look.css} hatch")
            turned = f"rotate({_ANGLES[look.order % len(_ANGLES)]})"
            size = {"width": "6", "height": "6", "patternUnits": "userSpaceOnUse", "patternTransform": turned}
            patterns.append(element("pattern", stripe, id=f"{identifier}-{look.css}-{look.order}", **size))
    return element("defs", *patterns)


def _legend(entries: Sequence[tuple[str, _Look]], kind: str, identifier: str = "") -> list[Markup]:
    """Rows of names with the look of each series, none for a single series that is neither real nor synthetic."""
    if len(entries) < 2 and not any(look.css in ("real", "synthetic") for _, look in entries):
        return []
    rows: list[list[Markup]] = [[]]
    x = 6.0
    for name, look in entries:
        shown = shortened(name, 60)
        if rows[-1] and x + 30 + text_width(shown) > _WIDTH:
            rows.append([])
            x = 6.0
        swatch = _swatch(look, kind, x, _LINE * len(rows) - 5, identifier)
        label = element("text", shown, x=_at(x + 28), y=_at(_LINE * len(rows) - 5))
        rows[-1].append(join([swatch, label]))
        x += 44 + text_width(shown)
    return [element("g", *row, class_="legend") for row in rows]


def _swatch(look: _Look, kind: str, x: float, y: float, identifier: str) -> Markup:
    box = {"x": _at(x), "y": _at(y - 9), "width": "22", "height": "10"}
    if kind == "bars":
        return element(
            "g", element("rect", **box, class_="bar", fill=look.bar_fill(identifier)), class_=look.bar_class()
        )
    area = element("rect", **box, class_="area") if kind == "steps" else None
    line = element("path", d=f"M{_at(x)} {_at(y - 4)}h22", stroke_dasharray=look.dash, class_="line")
    return element("g", area, line, class_=look.css)


def _description(chart: Chart) -> str:
    """What the chart shows, for those who cannot see it."""
    kinds = {"lines": "Lines", "steps": "Histogram", "bars": "Bars"}
    parts = [f"{kinds[chart.kind]}: {chart.y_label or 'values'} over {chart.x_label or 'names'}."]
    for series in chart.series:
        known = [y for y in map(finite, series.y) if y is not None]
        span = f"{number(min(known))} to {number(max(known))}" if known else "no values"
        parts.append(f"{series.name or 'Series'}: {len(known)} values, {span}.")
    return " ".join(parts)


def _centred(shown: str, x: float, y: float, css: str | None = None) -> Markup:
    return element("text", shown, x=_at(x), y=_at(y), text_anchor="middle", class_=css)


def _at(place: float) -> str:
    """A coordinate, to a tenth of a unit."""
    return f"{place:.1f}".removesuffix(".0")
