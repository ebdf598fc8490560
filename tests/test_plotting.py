"""Plots: true millimetres, the standard layout, nothing cut off, and pictures that are whole or not there."""

from __future__ import annotations

import re
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError, RuntimeSetupError, WriteError
from ecgsdk.leads import LEADS
from ecgsdk.paper import Scale, text_width
from ecgsdk.plotting import plot_file, plot_pair, plot_record, plot_records, save_figure
from ecgsdk.readers.source import ECGSource
from ecgsdk_cli.main import main

RATE = 100
MADE_BY = Provenance("small", "ab12", "0.1.0", 7, 4, 1.0)


def beats(amplitude=1.0, seconds=10, rate_bpm=60):
    """One lead with an R wave of 40 ms at 0.5 s and from then on in step."""
    signal = np.zeros(seconds * RATE, np.float32)
    for start in np.arange(0.5, seconds, 60 / rate_bpm):
        first = round(start * RATE)
        signal[first - 2 : first + 3] = amplitude * np.array([0.25, 0.75, 1, 0.75, 0.25])
    return signal


def batch(n=1, amplitude=1.0, seconds=10, condition=None, provenance=None):
    signals = np.stack([np.stack([beats(amplitude, seconds)] * 12)] * n)
    condition = condition or Condition(("AFIB", "LVH"), 80.0, 63.0, "F")
    return ECGBatch(signals, RATE, (condition,) * n, tuple(f"r{i}" for i in range(n)), provenance)


def traces(figure):
    """Only signals have more than six points."""
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) > 6]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def size_mm(figure):
    return tuple(figure.get_size_inches() * 25.4)


def test_the_page_is_a4_in_true_millimetres():
    figure = plot_record(batch())
    axes = figure.axes[0]
    assert size_mm(figure) == pytest.approx((297, 210))
    assert axes.get_position().bounds == (0, 0, 1, 1)
    assert (*axes.get_xlim(), *axes.get_ylim()) == pytest.approx((0, 297, 0, 210))


def test_a_second_is_25_mm_and_a_millivolt_10_mm():
    rhythm = traces(plot_record(batch()))[-1]
    x, y = rhythm.get_xdata(), rhythm.get_ydata()
    assert np.diff(x) == pytest.approx(np.full(999, 0.25))
    assert np.ptp(y) == pytest.approx(10.0)


def test_leads_stand_in_three_rows_of_four_in_step_with_the_rhythm_strip():
    one = batch()
    one.signals[0] *= np.arange(1, 13)[:, None] / 12
    figure = plot_record(one)
    assert [text for text in texts(figure) if text in LEADS] == [
        "I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II",
    ]  # fmt: skip
    drawn = traces(figure)
    rhythm = drawn[-1].get_xdata()
    for place, line in enumerate(drawn[:-1]):
        row, column = divmod(place, 4)
        assert line.get_xdata() == pytest.approx(rhythm[250 * column : 250 * (column + 1)])
        assert np.ptp(line.get_ydata()) == pytest.approx(10 * (3 * column + row + 1) / 12, abs=1e-3)


def test_the_grid_is_of_1_and_5_mm_and_the_baselines_lie_on_it():
    figure = plot_record(batch())
    minor, major = (np.array(lines.get_segments()) for lines in figure.axes[0].collections)
    for lines, spacing in ((minor, 1.0), (major, 5.0)):
        across = np.unique(lines[lines[:, 0, 0] == lines[:, 1, 0]][:, 0, 0])
        assert np.diff(across) == pytest.approx(np.full(len(across) - 1, spacing))
    up = np.unique(major[major[:, 0, 1] == major[:, 1, 1]][:, 0, 1])
    for line in traces(figure):
        assert np.abs(up - np.median(line.get_ydata())).min() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("layout", "rhythm", "leads"),
    [
        ("3x4", None, "I aVR V1 V4 II aVL V2 V5 III aVF V3 V6 II"),
        ("3x4", ("II", "V1"), "I aVR V1 V4 II aVL V2 V5 III aVF V3 V6 II V1"),
        ("6x2", None, "I V1 II V2 III V3 aVR V4 aVL V5 aVF V6"),
        ("6x2", ("II",), "I V1 II V2 III V3 aVR V4 aVL V5 aVF V6 II"),
        ("12x1", None, "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"),
    ],
)
def test_layouts(layout, rhythm, leads):
    figure = plot_record(batch(amplitude=0.5), layout=layout, rhythm=rhythm)
    assert [text for text in texts(figure) if text in LEADS] == leads.split()
    columns = int(layout.split("x")[1])
    lengths = [len(line.get_xdata()) for line in traces(figure)]
    assert lengths == [1000 // columns] * 12 + [1000] * (len(lengths) - 12)
    assert size_mm(figure) == pytest.approx((297, 220 if layout == "12x1" else 210))


@pytest.mark.parametrize("speed", [25.0, 50.0])
@pytest.mark.parametrize("gain", [5.0, 10.0, 20.0])
def test_trace_and_calibration_pulse_have_speed_and_gain(speed, gain):
    figure = plot_record(batch(amplitude=0.5), scale=Scale(speed, gain), seconds=5)
    rhythm = traces(figure)[-1]
    assert np.diff(rhythm.get_xdata()) == pytest.approx(np.full(499, speed / RATE))
    assert np.ptp(rhythm.get_ydata()) == pytest.approx(0.5 * gain)
    pulses = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        x, y = pulse.get_xdata(), pulse.get_ydata()
        assert (x[3] - x[2], np.ptp(y)) == pytest.approx((0.2 * speed, gain))
        assert x[-1] < rhythm.get_xdata()[0]
    assert f"{speed:g} mm/s · {gain:g} mm/mV · 100 Hz · first 5 s of 10 s" in texts(figure)
    assert size_mm(figure) == pytest.approx((297, 210))


def in_pdf(path):
    """Polylines of the page, in millimetres."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.DOTALL)
    inflated = []
    for stream in streams:
        with suppress(zlib.error):
            inflated.append(zlib.decompress(stream).decode("latin-1"))
    drawing = max(inflated, key=lambda text: text.count(" l\n"))
    for path_text in re.findall(r"((?:[-\d.]+ [-\d.]+ [ml]\n)+)\s*S\n", drawing):
        yield np.array([line.split()[:2] for line in path_text.splitlines()], float) / 72 * 25.4


def in_svg(path):
    """Polylines of the page, in millimetres; upwards is positive."""
    for path_text in re.findall(r'<path d="([^"]*)"', path.read_text(encoding="utf-8")):
        points = re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path_text)
        yield np.array(points, float).reshape(-1, 2) * (1, -1) / 72 * 25.4


@pytest.mark.parametrize(("suffix", "lines_in"), [("pdf", in_pdf), ("svg", in_svg)])
@pytest.mark.parametrize(("speed", "gain"), [(25.0, 10.0), (50.0, 20.0), (25.0, 5.0)])
def test_the_file_itself_measures_true_millimetres(tmp_path, suffix, lines_in, speed, gain):
    drawn = batch()
    drawn.signals[:] = (np.arange(1000) // RATE % 2)[None, None]
    save_figure(plot_record(drawn, scale=Scale(speed, gain)), tmp_path / f"a.{suffix}")
    lines = [line for line in lines_in(tmp_path / f"a.{suffix}") if len(line)]
    pulses = [line for line in lines if len(line) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        assert np.ptp(pulse[1:5], axis=0) == pytest.approx((0.2 * speed, gain), abs=0.01)
    rhythm = max(lines, key=lambda line: np.ptp(line[:, 0]) * (len(line) > 6))
    edges = rhythm[:-1][np.abs(np.diff(rhythm[:, 1])) > gain / 2]
    assert np.diff(edges[:, 0]) == pytest.approx(np.full(8, speed), abs=0.02)
    assert np.ptp(rhythm[:, 1]) == pytest.approx(gain, abs=0.01)
    upright = {round(line[0, 0], 2) for line in lines if len(line) == 2 and np.ptp(line[:, 1]) > 100}
    assert np.diff(sorted(upright)) == pytest.approx(np.full(len(upright) - 1, 1.0), abs=0.02)


def test_calibration_pulses_stay_in_their_rows():
    figure = plot_record(batch(amplitude=0.2), layout="12x1", scale=Scale(gain=20.0))
    top = np.array(figure.axes[0].collections[0].get_segments())[..., 1].max()
    pulses = [line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 12
    assert pulses[0].max() <= top + 1e-6
    assert all(upper.min() > lower.max() for upper, lower in pairwise(pulses))


def test_no_trace_leaves_its_paper():
    figure = plot_records(batch(2, amplitude=-1000.0), range(2), leads=("II", "V2"))
    papers = [np.array(lines.get_segments())[..., 1] for lines in figure.axes[0].collections[::2]]
    for line, paper in zip(traces(figure)[1::2], papers):
        clip = line.get_clip_box().transformed(figure.axes[0].transData.inverted())
        assert (clip.y0, clip.y1) == pytest.approx((paper.min(), paper.max()))


def test_ten_seconds_at_50_mm_need_a_longer_page():
    assert size_mm(plot_record(batch(), scale=Scale(speed=50.0)))[0] == pytest.approx(2 * 12 + 20 + 500)


def test_a_pair_is_labelled_and_keeps_one_scale():
    figure = plot_pair(batch(provenance=MADE_BY), batch())
    assert size_mm(figure) == pytest.approx((297, 420))
    said = texts(figure)
    assert said.index("SYNTHETIC") < said.index("REAL")
    assert (said.count("SYNTHETIC"), said.count("REAL")) == (1, 1)
    drawn = traces(figure)
    assert len(drawn) == 26
    for upper, lower in zip(drawn[:13], drawn[13:]):
        assert upper.get_xdata() == pytest.approx(lower.get_xdata())
        assert upper.get_ydata() == pytest.approx(lower.get_ydata() + 210)


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(DataError, match="unknown layout '4x3'; there are 3x4, 6x2, 12x1"):
        plot_record(batch(), layout="4x3")
    with pytest.raises(DataError, match="unknown lead 'V9' for a rhythm strip"):
        plot_record(batch(), rhythm=["V9"])
    with pytest.raises(DataError, match="a paper speed of 30 mm/s cannot be drawn; take one of 25, 50"):
        Scale(speed=30)
    with pytest.raises(DataError, match="a gain of 1 mm/mV cannot be drawn; take one of 5, 10, 20"):
        Scale(gain=1)


@pytest.mark.parametrize("amplitude", [3.5, -3.5])
def test_a_large_ecg_gets_a_taller_page_and_is_not_cut_off(amplitude):
    figure = plot_record(batch(amplitude=amplitude))
    assert size_mm(figure)[1] > 210
    grid = np.array(figure.axes[0].collections[0].get_segments())
    rows = [(min(line.get_ydata()), max(line.get_ydata())) for line in traces(figure)[::4]]
    assert rows[0][1] <= grid[..., 1].max()
    assert rows[-1][0] >= grid[..., 1].min()
    assert all(upper[0] >= lower[1] for upper, lower in pairwise(rows))


def test_a_wild_record_gets_no_endless_page():
    assert size_mm(plot_record(batch(amplitude=1000.0)))[1] < 500


def test_the_header_says_what_it_is():
    said = texts(plot_record(batch(provenance=MADE_BY)))
    assert "AFIB + LVH" in said
    assert "atrial fibrillation; left ventricular hypertrophy" in said
    assert "heart rate 60 bpm (asked for 80) · age 63 · sex F" in said
    assert "SYNTHETIC" in said
    assert "record r0" in said
    assert "25 mm/s · 10 mm/mV · 100 Hz" in said
    assert "small, seed 7, ecgsdk 0.1.0" in said


def test_a_real_record_is_not_called_synthetic():
    said = texts(plot_record(batch()))
    assert "SYNTHETIC" not in said
    assert "heart rate 60 bpm · age 63 · sex F" in said


def test_a_short_flat_record_with_missing_samples_is_drawn():
    flat = batch(seconds=4, condition=Condition())
    flat.signals[:] = 0.3
    flat.signals[0, 1, 50:60] = np.nan
    figure = plot_record(flat)
    assert "heart rate not measurable" in texts(figure)
    assert "no statements" in texts(figure)
    y = traces(figure)[-1].get_ydata()
    assert np.isnan(y[50:60]).all()
    assert np.isfinite(np.delete(y, range(50, 60))).all()


def test_a_sheet_of_records():
    figure = plot_records(batch(5, provenance=MADE_BY), range(5), leads=("II", "V1"), seconds=4, columns=2)
    assert len(traces(figure)) == 10
    assert all(np.ptp(line.get_ydata()) == pytest.approx(10) for line in traces(figure))
    assert texts(figure).count("SYNTHETIC") == 5
    assert size_mm(figure)[0] == pytest.approx(2 * 10 + 2 * (15 + 100) + 6)


def test_leads_lie_at_one_height_side_by_side():
    records = batch(2)
    records.signals[1] *= 3
    baselines = [
        np.median(line.get_ydata()) for line in traces(plot_records(records, range(2), leads=("II", "V1"), columns=2))
    ]
    assert baselines[:2] == pytest.approx(baselines[2:])


def test_a_narrow_sheet_names_its_records():
    said = texts(plot_records(batch(2, provenance=MADE_BY), range(2), columns=2, seconds=3))
    assert "record r1 · heart rate 60 bpm (asked for 80) · age 63 · sex F" in said
    assert "small, seed 7, ecgsdk 0.1.0" in said


def test_long_and_strange_texts_stay_in_their_room(tmp_path):
    many = Condition(("AFIB", "LVH", "CLBBB", "LAFB", "MI", "STTC", "PVC", "LAO/LAE", "RAO/RAE", "LPR"))
    strange = replace(batch(condition=many), identifiers=("Müller\n心电图 $x$ \x00" + "a" * 500,))
    figure = plot_record(strange)
    codes, name = (next(text for text in texts(figure) if text.startswith(begin)) for begin in ("AFIB +", "record"))
    assert codes.endswith(" …")
    assert name.startswith("record Müller心电图 $x$ aaa")
    assert name.endswith("a …")
    assert text_width(name, 3.4) < 70
    for suffix in ("svg", "png", "pdf"):
        save_figure(figure, tmp_path / f"a.{suffix}")
    ElementTree.parse(tmp_path / "a.svg")


def test_a_file_tells_its_title(tmp_path):
    save_figure(plot_record(batch(provenance=MADE_BY)), tmp_path / "a.svg")
    title = "synthetic ECG: AFIB + LVH, record r0 (small, seed 7, ecgsdk 0.1.0)"
    assert f"<title>{title}</title>" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_seconds_beyond_the_record_are_refused():
    with pytest.raises(DataError, match=r"record r0 has 10 s; 10.1 s of it cannot be drawn: choose other seconds"):
        plot_record(batch(), seconds=10.1)
    for seconds in (0.0, -1.0, 0.001, np.nan, np.inf):
        with pytest.raises(DataError, match="cannot be drawn"):
            plot_records(batch(), [0], seconds=seconds)
    assert len(traces(plot_record(batch(seconds=4)))[-1].get_xdata()) == 400
    assert "25 mm/s · 10 mm/mV · 100 Hz · first 10 s of 60 s" in texts(plot_record(batch(seconds=60)))


def test_a_page_too_large_for_any_viewer_is_refused(tmp_path):
    long = batch(seconds=300)
    with pytest.raises(DataError, match=r"a page of 7.5 m × 0.2 m is too large, its sides may have 5 m: draw fewer"):
        plot_record(long, seconds=300)
    figure = plot_record(batch(seconds=60, amplitude=5.0), layout="12x1", scale=Scale(50.0), seconds=60)
    with pytest.raises(WriteError, match=r"would have \d+ million pixels; end its name in .svg or .pdf"):
        save_figure(figure, tmp_path / "a.png")


def test_a_sheet_needs_records_and_known_leads():
    with pytest.raises(DataError, match="no record or no lead"):
        plot_records(batch(), [])
    with pytest.raises(DataError, match="unknown lead 'V7'"):
        plot_records(batch(), [0], leads=("V7",))


@pytest.mark.parametrize(("suffix", "head"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("PDF", b"%PDF")])
def test_pictures_are_whole_and_the_same_each_time(tmp_path, suffix, head):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for path in (first, second):
        save_figure(plot_record(batch()), path)
    assert first.read_bytes().startswith(head)
    assert first.read_bytes() == second.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name}


def test_svg_has_true_size_and_text_that_can_be_searched(tmp_path):
    save_figure(plot_record(batch()), tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert f'width="{297 / 25.4 * 72:.6f}pt" height="{210 / 25.4 * 72:.6f}pt"' in svg
    assert ">aVR</text>" in svg


@pytest.mark.parametrize("layout", ["3x4", "12x1"])
def test_svg_pdf_and_png_measure_the_same_millimetres(tmp_path, layout):
    figure = plot_record(batch(amplitude=0.5), layout=layout)
    for suffix in ("svg", "pdf", "png"):
        save_figure(figure, tmp_path / f"a.{suffix}")
    millimetres = (297, 220 if layout == "12x1" else 210)
    svg = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', (tmp_path / "a.svg").read_text(encoding="utf-8"))
    pdf = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "a.pdf").read_bytes())
    for found in (svg, pdf):
        assert [float(side) / 72 * 25.4 for side in found.groups()] == pytest.approx(millimetres, abs=0.01)
    png = (tmp_path / "a.png").read_bytes()
    pixels = [int.from_bytes(png[first : first + 4], "big") for first in (16, 20)]
    per_metre = png.index(b"pHYs") + 4
    resolution = int.from_bytes(png[per_metre : per_metre + 4], "big")
    assert [side / resolution * 1000 for side in pixels] == pytest.approx(millimetres, abs=0.2)


def test_a_notebook_shows_a_record_as_a_page_and_several_as_a_sheet():
    records = batch(8, provenance=MADE_BY)
    page, sheet = records[2]._repr_svg_(), records._repr_svg_()
    assert page.startswith("<svg")
    assert ">record r2<" in page
    assert f'width="{297 / 25.4 * 72:.6f}pt"' in page
    assert sheet.count(">SYNTHETIC<") == 6
    assert records[:0]._repr_svg_() is None


def test_a_notebook_without_matplotlib_shows_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert batch()._repr_svg_() is None
    assert repr(batch(2)) == "<ECGBatch: 2 ECGs of 10 s at 100 Hz, real>"
    assert repr(batch(provenance=MADE_BY)) == "<ECGBatch: 1 ECG of 10 s at 100 Hz, synthetic, small>"


def test_records_of_a_batch_are_batches():
    records = batch(5, provenance=MADE_BY)
    assert (records[-1].identifiers, records[1:3].identifiers) == (("r4",), ("r1", "r2"))
    assert [one.identifiers[0] for one in records] == ["r0", "r1", "r2", "r3", "r4"]
    assert records[0].provenance is MADE_BY
    with pytest.raises(IndexError):
        records[5]


def test_a_picture_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text("precious")
    with pytest.raises(WriteError, match="exists already"):
        save_figure(plot_record(batch()), path)
    assert path.read_text() == "precious"
    save_figure(plot_record(batch()), path, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<?xml")


def test_an_unknown_or_unwritable_picture_is_refused(tmp_path):
    (tmp_path / "file").touch()
    figure = plot_record(batch())
    with pytest.raises(WriteError, match=r"end its name in \.svg, \.png, \.pdf"):
        save_figure(figure, tmp_path / "a.bmp")
    with pytest.raises(WriteError, match="folder .*nowhere does not exist"):
        save_figure(figure, tmp_path / "nowhere" / "a.svg")
    with pytest.raises(WriteError, match="cannot write .*file"):
        save_figure(figure, tmp_path / "file" / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_nothing(tmp_path):
    figure = plot_record(batch())

    def full(file, **_):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    figure.savefig = full
    with pytest.raises(WriteError, match="No space left on device"):
        save_figure(figure, tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeSetupError, match=r'pip install "ecgsdk\[plot\]"'):
        plot_record(batch())


@pytest.fixture
def source(monkeypatch):
    records = batch(5)
    read = ECGSource(
        name="five",
        sampling_rate=RATE,
        samples=1000,
        conditions=records.conditions,
        identifiers=records.identifiers,
        folds=(None,) * 5,
        read=lambda positions: records.signals[list(positions)],
    )
    monkeypatch.setattr("ecgsdk.readers.read_ecgs", lambda path, **stated: read)
    return read


def test_records_of_a_file(source, tmp_path):
    plot_file("five.h5", tmp_path / "page.svg", [3])
    assert "record r3" in (tmp_path / "page.svg").read_text(encoding="utf-8")
    plot_file("five.h5", tmp_path / "sheet.svg", [4, 0])
    sheet = (tmp_path / "sheet.svg").read_text(encoding="utf-8")
    assert sheet.index("record r4") < sheet.index("record r0")


def test_a_record_that_is_not_there(source, tmp_path):
    with pytest.raises(DataError, match=r"five.h5 has no record 5; it has 5, counted from 0"):
        plot_file("five.h5", tmp_path / "page.svg", [0, 5])


def test_a_record_beside_one_of_another_file(source, tmp_path):
    plot_file("five.h5", tmp_path / "pair.svg", [3], beside=("other.h5", 1), scale=Scale(gain=5.0))
    pair = (tmp_path / "pair.svg").read_text(encoding="utf-8")
    assert pair.index("record r3") < pair.index("record r1")
    assert pair.count("5 mm/mV") == 2
    with pytest.raises(DataError, match=r"other.h5 has no record 9; it has 5, counted from 0"):
        plot_file("five.h5", tmp_path / "none.svg", [3], beside=("other.h5", 9))


def test_what_a_table_does_not_say_is_asked_for(tmp_path):
    table = tmp_path / "x.csv"
    table.write_text("I,II,V1,V2,V3,V4,V5,V6\n" + "1,2,3,4,5,6,7,8\n" * 200)
    words = ["plot", str(table), "-o", str(tmp_path / "x.svg")]
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, "state it with input_rate= (--input-rate)" in result.stderr) == (1, True)
    words += ["--input-rate", "100", "--input-unit", "uV", "--seconds", "2"]
    assert CliRunner().invoke(main, words).exit_code == 0
    result = CliRunner().invoke(main, [*words, "--beside", str(table), "--force"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").count(">record x<") == 2


def test_options_of_the_command(source, tmp_path):
    run = CliRunner().invoke
    output = str(tmp_path / "page.svg")
    result = run(main, ["plot", "five.h5", "-o", output, "--layout", "6x2", "--rhythm", "ii,V1", "--speed", "50"])
    assert (result.exit_code, result.stdout) == (0, f"drew record 0 of five.h5 to {output}\n")
    page = (tmp_path / "page.svg").read_text(encoding="utf-8")
    assert "50 mm/s · 10 mm/mV" in page
    assert page.count(">V1<") == 2
    result = run(main, ["plot", "five.h5", "-o", output, "--force", "--rhythm", "none", "--beside", "other.h5"])
    assert result.stdout == f"drew record 0 of five.h5 beside record 0 of other.h5 to {output}\n"
    assert (tmp_path / "page.svg").read_text(encoding="utf-8").count(">II<") == 2
    result = run(main, ["plot", "five.h5", "-o", output, "--record", "0", "--record", "1", "--beside", "other.h5"])
    assert result.exit_code == 2
    assert "--beside is for a page of one --record; several, or --leads, make a sheet" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--beside-record 1", "--beside-record goes with --beside"),
        ("--columns 2", "--columns is for a sheet; give several --record, or --leads"),
        ("--leads II --layout 6x2", "--layout is for a page of one --record"),
        ("--record 0 --record 1 --rhythm V1", "--rhythm is for a page of one --record"),
        ("--leads V9", "--leads: lead 'V9' is not one of the 12 standard leads"),
        ("--rhythm none,II", "--rhythm: lead 'none' is not one of the 12"),
    ],
)
def test_options_that_would_do_nothing_are_refused(source, tmp_path, words, said):
    result = CliRunner().invoke(main, ["plot", "five.h5", "-o", str(tmp_path / "a.svg"), *words.split()])
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_record_with_leads_of_its_own_is_a_strip(source, tmp_path):
    words = ["plot", "five.h5", "-o", str(tmp_path / "a.svg"), "--leads", "V1,ii", "--seconds", "2"]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert re.findall(r">(V1|II|aVR)<", (tmp_path / "a.svg").read_text(encoding="utf-8")) == ["V1", "II"]
