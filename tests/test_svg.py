"""Charts and ECG strips of a report: ticks, places, looks, gaps, and the paper."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from example_report import sample

from ecgsdk.leads import LEADS
from ecgsdk.validation.report.scales import linear_scale, log_scale, nice_ticks
from ecgsdk.validation.report.strips import MISSING, ecg_svg
from ecgsdk.validation.report.svg import chart_svg
from ecgsdk.validation.results import Chart, Sample, Series

SVG = "{http://www.w3.org/2000/svg}"


def chart(*series, kind="lines", **options):
    return Chart("name", "Title", "x, s", "y, mV", series, kind, **options)


def drawn(chart_or_sample):
    draw = ecg_svg if isinstance(chart_or_sample, Sample) else chart_svg
    return ET.fromstring(draw(chart_or_sample, "id"))


def of_class(root, css, tag="*"):
    return [node for node in root.iter() if css in node.get("class", "").split() and tag in ("*", node.tag[len(SVG) :])]


def texts(root):
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0.0, 12345.0, (0.0, 5000.0, 10000.0)),
        (59.0, 61.0, (59.0, 59.5, 60.0, 60.5, 61.0)),
        (-0.02, 0.3, (0.0, 0.1, 0.2, 0.3)),
    ],
)
def test_ticks_are_1_2_or_5_times_a_power_of_ten(low, high, ticks):
    assert nice_ticks(low, high) == ticks


def test_an_axis_ends_at_ticks_and_begins_at_zero_where_zero_is_near():
    scale = linear_scale([2.0, 9.3], 0.0, 100.0)
    assert (scale.low, scale.high) == (0.0, 10.0)
    assert scale.place(5.0) == 50.0
    far = linear_scale([0.91, 0.99], 0.0, 100.0)
    assert far.low == pytest.approx(0.9)
    assert far.labels() == ("0.90", "0.92", "0.94", "0.96", "0.98", "1.00")


def test_a_logarithmic_axis_has_no_place_for_zero():
    scale = log_scale([0.001, 1.0, 0.0, -3.0], 0.0, 30.0)
    assert scale.place(0.0) is None
    assert scale.place(0.1) == pytest.approx(20.0)
    assert scale.labels() == ("0.001", "0.01", "0.1", "1")
    assert log_scale([1e-7, 1e-2], 0.0, 1.0).labels()[0] == "10⁻⁷"


@pytest.mark.parametrize("values", [[], [5.0, 5.0], [0.0, 0.0], [-1e300, 1e300], [1e-300, 2e-300]])
@pytest.mark.parametrize("scale", [linear_scale, log_scale])
def test_any_values_make_an_axis(values, scale):
    axis = scale(values, 0.0, 100.0)
    assert axis.low < axis.high
    assert len(axis.ticks) >= 2


def test_a_gap_parts_a_line_and_lone_points_are_dots():
    line = Series("a", tuple(range(40)), (*([1.0] * 20), None, 2.0, None, *([3.0] * 16), math.nan), "real")
    root = drawn(chart(line))
    (path,) = [node for node in of_class(root, "line") if node.get("d").count("L")]
    assert path.get("d").count("M") == 2
    assert len(of_class(root, "point")) == 1


def test_a_single_point_is_drawn():
    root = drawn(chart(Series("a", (1.0,), (2.0,))))
    assert len(of_class(root, "point")) == 1


@pytest.mark.parametrize("kind", ["lines", "steps", "bars"])
@pytest.mark.parametrize("series", [(), (Series("a", (), ()),), (Series("a", (1.0, 2.0), (None, math.inf)),)])
@pytest.mark.parametrize("log", [False, True])
def test_a_chart_without_values_says_so(kind, series, log):
    assert "nothing to show" in texts(drawn(chart(*series, kind=kind, log_x=log, log_y=log)))


def test_all_equal_values_are_drawn():
    for kind in ("lines", "steps", "bars"):
        root = drawn(chart(Series("a", (1.0, 2.0, 3.0), (7.0, 7.0, 7.0)), kind=kind))
        assert of_class(root, "bar" if kind == "bars" else "line")


def test_steps_have_a_bin_for_each_left_edge():
    root = drawn(chart(Series("a", (0.0, 10.0, 20.0), (1.0, 2.0, 0.0), "real"), kind="steps"))
    (outline,) = [node.get("d") for node in of_class(root, "line") if "V" in node.get("d")]
    assert outline.count("H") == 3
    right = max(float(x) for x in re.findall(r"H([\d.]+)", outline))
    base = of_class(root, "axis-line")[-1].get("d")
    assert right == pytest.approx(float(base.split("H")[1]), abs=0.2)


def test_bars_begin_at_zero_on_either_side():
    root = drawn(chart(Series("a", ("up", "down"), (2.0, -1.0)), kind="bars"))
    up, down = ((float(bar.get("x")), float(bar.get("width"))) for bar in of_class(root, "bar"))
    assert up[0] == pytest.approx(down[0] + down[1], abs=0.2)
    assert up[1] == pytest.approx(2 * down[1], abs=0.3)
    assert {"−1", "2", "up", "down"} <= set(texts(root))


def test_a_long_name_is_cut_and_told_in_full_on_pointing():
    name = "a statement with a name that is far too long"
    root = drawn(chart(Series("a", (name,), (1.0,)), kind="bars"))
    assert name in ["".join(node.itertext()) for node in root.iter(f"{SVG}title")]
    assert any(shown.endswith("…") for shown in texts(root))


def test_names_on_the_x_axis_of_lines():
    assert {"norm", "afib"} <= set(texts(drawn(chart(Series("a", ("norm", "afib"), (1.0, 2.0))))))


def test_real_and_synthetic_have_their_colours_and_further_series_dashes():
    names = (("a", "real"), ("b", "synthetic"), ("c", ""), ("d", ""), ("e", "synthetic"))
    root = drawn(chart(*(Series(name, (0.0, 1.0), (0.0, 1.0), role) for name, role in names)))
    groups = [node for node in root if of_class(node, "point") and node.get("class") != "axes"]
    looks = [(group.get("class"), of_class(group, "line")[0].get("stroke-dasharray")) for group in groups]
    assert looks[0] == ("real", None)
    assert looks[1] == ("synthetic", None)
    assert [css for css, _ in looks[2:]] == ["other-1", "other-2", "synthetic"]
    assert all(dash for _, dash in looks[2:])
    assert len(set(looks)) == len(looks)


def test_further_bars_are_hatched_each_in_its_own_way():
    names = (("a", "real"), ("b", "real"), ("c", ""), ("d", ""))
    root = drawn(chart(*(Series(name, ("x",), (1.0,), role) for name, role in names), kind="bars"))
    patterns = {node.get("id") for node in root.iter(f"{SVG}pattern")}
    fills = {bar.get("fill") for bar in of_class(root, "bar")} - {None}
    assert fills == {f"url(#{name})" for name in patterns}
    assert len(patterns) == 3


def test_a_chart_is_told_to_those_who_cannot_see_it():
    root = drawn(chart(Series("real", (0.0, 1.0, 2.0), (0.5, None, 1.5), "real")))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "id-title id-desc"
    assert root.find(f"{SVG}title").text == "Title"
    assert root.find(f"{SVG}desc").text == "Lines: y, mV over x, s. real: 2 values, 0.500 to 1.50."


def test_a_legend_of_many_series_is_broken_into_rows():
    many = [Series(f"a rather long name, number {i}", (0.0, 1.0), (0.0, 1.0)) for i in range(7)]
    rows = of_class(drawn(chart(*many)), "legend")
    assert len(rows) > 1
    widest = max(float(node.get("x")) + 6.5 * len(node.text) for row in rows for node in row.iter(f"{SVG}text"))
    assert widest <= 430


def points(path):
    """Places of the samples of the longest trace of a path."""
    best = []
    for part in path.split("M")[1:]:
        if "l" not in part:
            continue
        start, moves = part.split("l")
        x, y = map(int, start.split())
        numbers = [int(value) for value in re.findall(r"-?\d+", moves)]
        places = [(x, y)]
        for dx, dy in zip(numbers[::2], numbers[1::2]):
            places.append((places[-1][0] + dx, places[-1][1] + dy))
        best = max(best, places, key=len)
    return best


def test_twelve_leads_of_ten_seconds_are_the_standard_page(real_batch):
    root = drawn(sample(real_batch, 0, "real", "norm"))
    assert [node.text for node in of_class(root, "lead")] == [
        "I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II",
    ]  # fmt: skip
    (trace,) = of_class(root, "trace")
    assert len(points(trace.get("d"))) == 1000


def test_fewer_leads_or_seconds_are_stacked(real_batch):
    whole = sample(real_batch, 0, "synthetic", "norm")
    two = Sample("two", "synthetic", "norm", 100.0, ("V1", "II"), whole.microvolts[:2])
    short = Sample("short", "real", "norm", 100.0, LEADS, tuple(row[:500] for row in whole.microvolts))
    assert [node.text for node in of_class(drawn(two), "lead")] == ["V1", "II"]
    assert [node.text for node in of_class(drawn(short), "lead")] == list(LEADS)


@pytest.mark.parametrize("rate", [100.0, 128.0, 500.0])
def test_a_millimetre_is_40_ms_and_100_microvolts_at_any_rate(rate):
    n = int(4 * rate)
    row = [0] * n
    row[n // 2] = 1000
    path = of_class(drawn(Sample("peak", "real", "", rate, ("II",), (tuple(row),))), "trace")[0].get("d")
    places = points(path)
    assert len(places) == n
    assert places[-1][0] - places[0][0] == pytest.approx((n - 1) / rate * 25 * 20, abs=1)
    assert places[0][1] - places[n // 2][1] == 10 * 20


def test_each_lead_is_drawn_about_its_median():
    offset = Sample("offset", "real", "", 100.0, ("I", "II"), ((5000,) * 200, (-5000,) * 200))
    still = Sample("still", "real", "", 100.0, ("I", "II"), ((0,) * 200, (0,) * 200))
    assert ecg_svg(offset, "id").replace("offset", "still") == ecg_svg(still, "id")


def test_the_mark_says_real_or_synthetic(real_batch):
    for role in ("real", "synthetic"):
        root = drawn(sample(real_batch, 0, role, "norm"))
        assert [node.text for node in of_class(root, "mark")] == [role.upper()]
        assert root.find(f"{SVG}title").text.startswith(role.upper())


def test_a_pair_has_paper_of_one_size(real_batch):
    first, second = (sample(real_batch, i, "real", "norm") for i in (0, 1))
    alone = [ET.fromstring(ecg_svg(one, "id")).get("viewBox") for one in (first, second)]
    paired = [ET.fromstring(ecg_svg(one, "id", (first, second))).get("viewBox") for one in (first, second)]
    assert alone[0] != alone[1]
    assert paired[0] == paired[1]


@pytest.mark.parametrize("leads", [(), ("II",)])
def test_an_ecg_without_samples_is_empty_paper(leads):
    root = drawn(Sample("nothing", "real", "", 100.0, leads, tuple(() for _ in leads)))
    assert of_class(root, "paper")


def test_twelve_ecgs_of_twelve_stacked_leads_take_about_a_megabyte(real_batch):
    whole = [sample(real_batch, i, "real", "norm") for i in range(len(real_batch))]
    # Eleven seconds asked of ten: stacked, all samples of all leads are drawn.
    stacked = [Sample("s", "real", "", 101.0, s.leads, s.microvolts) for s in whole]
    assert 2 * sum(len(ecg_svg(one, "id")) for one in stacked) < 1_000_000


def test_an_ecg_states_its_true_size_and_leaves_gaps_where_samples_are_missing():
    sample = Sample("x", "real", "all", 100.0, ("II",), ((0, 100, MISSING, MISSING, 0, 0, 100),))
    drawing = ET.fromstring(ecg_svg(sample, "id"))
    _, _, width, height = map(int, drawing.get("viewBox").split())
    assert (drawing.get("width"), drawing.get("height")) == (f"{width / 20:g}mm", f"{height / 20:g}mm")
    (trace,) = [path.get("d") for path in drawing.iter() if path.get("class") == "trace"]
    assert trace.split("M")[2:] == ["200 500l5-20", "220 500l5 0 5-20"]


def test_an_ecg_of_no_role_is_not_called_synthetic(real_batch):
    root = drawn(sample(real_batch, 0, "", "norm"))
    assert [node.text for node in of_class(root, "mark")] == ["ECG"]
