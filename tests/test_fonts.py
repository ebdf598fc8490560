"""Letters that the page's font lacks: taken from another font, or replaced and told, never a silent box."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from drawn_ecgs import batch, texts

from ecgsdk import fonts
from ecgsdk.paper import text_width
from ecgsdk.plotting import plot_record, save_figure
from ecgsdk.writers import open_writer
from ecgsdk_cli.main import main

pytest.importorskip("fontTools")

HEART = "心"


def font_of(path, family, letters):
    """A TrueType font in which each of these letters is a square."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for step, point in enumerate([(100, 0), (100, 800), (900, 800), (900, 0)]):
        (pen.lineTo if step else pen.moveTo)(point)
    pen.closePath()
    names = [".notdef", *(f"g{i}" for i in range(len(letters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"g{i}" for i, letter in enumerate(letters)})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": family.replace(" ", "")})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def forget():
    fonts._installed.cache_clear()
    fonts._font_with.cache_clear()


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Makes the fonts given, each a family and its letters, those of this machine, beside the page's own."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    def install(**families):
        own = [entry for entry in fontManager.ttflist if entry.fname == findfont(FontProperties())]
        monkeypatch.setattr(fontManager, "ttflist", own)
        for number, (family, letters) in enumerate(families.items()):
            fontManager.addfont(font_of(tmp_path / f"{number}.ttf", family.replace("_", " "), letters))
        forget()

    yield install
    forget()


def record(name):
    return replace(batch(), identifiers=(name,))


def test_the_page_has_its_own_font_where_that_has_all_letters(installed):
    installed(Test_Hearts=HEART + "é")
    assert fonts.beyond("Müller · Жук é") == ""
    assert fonts.families("Müller · Жук é") == fonts.families("")


def test_a_letter_comes_from_the_font_that_has_it(installed, tmp_path):
    installed(Test_Hearts=HEART, Test_Pictures="电图")
    assert fonts.beyond("a心电心") == "心电"
    assert fonts.families("a心电心")[1:] == ["Test Hearts", "Test Pictures"]
    assert fonts.without_font("心电图") == ""
    lines = []
    save_figure(plot_record(record("心")), tmp_path / "a.pdf", tell=lines.append)
    drawn = (tmp_path / "a.pdf").read_bytes()
    assert b"TestHearts" in drawn
    assert b"TestPictures" not in drawn
    assert lines == []


def test_the_plainest_font_is_taken_and_none_that_has_only_boxes(installed):
    installed(Aardvark_Serif=HEART, Zebra_Sans=HEART, Aardvark_Mono=HEART, Adobe_Blank=HEART, Last_Resort=HEART)
    assert fonts.families(HEART)[1:] == ["Zebra Sans"]
    installed(Last_Resort=HEART)
    assert fonts.without_font(HEART) == HEART


def test_the_scripts_of_letters():
    assert fonts.scripts("心电ก한\ue000") == ["CJK", "Thai", "Hangul", "U+E000"]


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_letters_that_no_font_has_are_told_and_replaced(installed, tmp_path, suffix):
    installed()
    figure, lines = plot_record(record("心电 กa")), []
    save_figure(figure, tmp_path / f"a.{suffix}", tell=lines.append)
    (line,) = lines
    said = "a.{}: no font here has its CJK and Thai letters, � stands for them; an .svg shows them, or install a font"
    assert line.endswith(said.format(suffix))
    assert "record 心电 กa" in texts(figure)


def test_an_svg_keeps_all_letters_and_says_nothing(installed, tmp_path):
    installed()
    lines = []
    save_figure(plot_record(record("心电 กa")), tmp_path / "a.svg", tell=lines.append)
    assert "record 心电 กa" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert lines == []


def test_an_unknown_letter_takes_a_square():
    assert text_width("a心b", 3.0) == pytest.approx(text_width("ab", 3.0) + 3.0, abs=0.2)


def test_the_command_says_it_in_one_line(installed, tmp_path):
    installed()
    with open_writer(tmp_path / "x.h5", sampling_rate=100, total=1, provenance=None) as writer:
        writer.write(record("心"))
    result = CliRunner().invoke(main, ["plot", str(tmp_path / "x.h5"), "-o", str(tmp_path / "x.png")])
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    assert result.stderr.startswith(f"warning: {tmp_path / 'x.png'}: no font here has its CJK letters")
