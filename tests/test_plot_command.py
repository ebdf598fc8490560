"""`ecgsdk plot`: records of files, on pages and sheets."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from drawn_ecgs import RATE, batch

from ecgsdk.errors import DataError
from ecgsdk.paper import Scale
from ecgsdk.plotting import plot_file
from ecgsdk.readers.source import ECGSource
from ecgsdk_cli.main import main


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
