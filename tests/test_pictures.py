"""Pictures in files and notebooks: true millimetres there too, whole or not there, and the same each time."""

from __future__ import annotations

import re
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_ecgs import MADE_BY, RATE, batch, texts

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError, RuntimeSetupError, WriteError
from ecgsdk.paper import Scale, text_width
from ecgsdk.plotting import plot_record, save_figure


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


def test_a_page_too_large_for_any_viewer_is_refused(tmp_path):
    long = batch(seconds=300)
    with pytest.raises(DataError, match=r"a page of 7.5 m × 0.2 m is too large, its sides may have 5 m: draw fewer"):
        plot_record(long, seconds=300)
    figure = plot_record(batch(seconds=60, amplitude=5.0), layout="12x1", scale=Scale(50.0), seconds=60)
    with pytest.raises(WriteError, match=r"would have \d+ million pixels; end its name in .svg or .pdf"):
        save_figure(figure, tmp_path / "a.png")


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
