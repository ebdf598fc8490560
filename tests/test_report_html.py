"""report.html: whole, safe, readable by machine and man, and opened in a browser where there is one."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import shutil
import subprocess
import typing
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from example_report import example_report

from ecgsdk.cohort import Cohort
from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.generator import load_generator
from ecgsdk.leads import LEADS
from ecgsdk.readers import read_ptbxl
from ecgsdk.validation import results
from ecgsdk.validation.report.blocks import MOST_ROWS
from ecgsdk.validation.report.html import MOST_BYTES, render
from ecgsdk.validation.report.markup import element, join, prose, text
from ecgsdk.validation.report.rounding import column_texts, decimals, number
from ecgsdk.validation.results import Chart, Finding, Measure, Report, Sample, Section, Series, Table

ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;`</style>"
EMPTY = Report("2024-05-17T09:30:00+00:00", "0.1.0", {"name": "a"}, {"name": "b"}, {}, (), (), ())


@pytest.fixture(scope="session")
def report(ptbxl_folder):
    """A report with ECGs of the shipped records and of the shipped generator."""
    real = next(read_ptbxl(ptbxl_folder).batches())
    asked = tuple(Condition(GROUPS[known.groups()[0]][:1], None, known.age, known.sex) for known in real.conditions)
    synthetic = next(load_generator(threads=1).generate(Cohort(asked, len(asked)), len(asked), seed=3, steps=4))
    return example_report(real, synthetic)


@pytest.fixture(scope="session")
def page(report):
    return render(report)


@pytest.fixture(scope="session")
def root(page):
    return ET.fromstring(page)


def local(node):
    return node.tag.rsplit("}", 1)[-1]


def all_of(root, tag):
    return [node for node in root.iter() if local(node) == tag]


def of_class(root, css):
    return [node for node in root.iter() if css in node.get("class", "").split()]


def shown(node):
    return " ".join("".join(node.itertext()).split())


def test_an_element_escapes_all_but_markup():
    made = element("p", "a < b & c", element("b", "d"), None, class_="x", data_label='"', hidden=True, id=None)
    assert made == '<p class="x" data-label="&quot;" hidden="hidden">a &lt; b &amp; c<b>d</b></p>'
    assert join(["<", element("meta", charset="utf-8")], between=" & ") == '&lt; &amp; <meta charset="utf-8"/>'


def test_a_sentence_shows_code_between_backticks():
    assert prose("run `pip install <x>`; a ` alone") == "run <code>pip install &lt;x&gt;</code>; a ` alone"


def test_characters_that_no_page_can_hold_are_replaced():
    assert text("a\x00b\x1b\udcffc\n") == "a\ufffdb\ufffd\ufffdc\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.9481, "0.948"), (1.0, "1.000"), (4.312, "4.31"), (72.46, "72.5"), (12345.6, "12,346"), (-3.25, "−3.25"),
        (3.4e-5, "3.4 × 10⁻⁵"), (0.0034, "0.0034"), (0.0, "0.000"), (12000, "12,000"), (None, "–"), (float("nan"), "–"),
        (7.2e12, "7.2 × 10¹²"),
    ],
)  # fmt: skip
def test_a_number_is_rounded_to_what_is_worth_reading(value, said):
    assert number(value) == said


def test_per_cent_have_one_decimal_from_ten_on():
    assert number(98.683, unit="%") == "98.7"
    assert number(1.154, unit="%") == "1.15"


def test_a_column_has_the_same_decimals_throughout():
    assert column_texts((0.5, 12.25, None, 3)) == ("0.5", "12.2", "–", "3")
    assert column_texts((0.0041, 150.0, "text", True)) == ("0.0041", "150.0", "text", "yes")
    assert decimals((70.0, 80.0)) == 0


def test_the_page_is_well_formed_and_holds_everything(report, root):
    words = shown(root)
    for section in report.sections:
        assert section.title in words
        for part in (*section.measures, *section.tables, *section.charts, *section.samples):
            assert part.title in words
        for failure in section.failures:
            assert failure.what in words
        for note in section.notes:
            assert note in words
    for finding in report.findings:
        assert " ".join(finding.text.split()).replace("`", "") in words
    assert len(of_class(root, "ecg")) == 12
    assert len(of_class(root, "chart")) == sum(len(section.charts) for section in report.sections)


def test_the_verdict_stands_first_and_is_told_in_words(report, root):
    (main,) = all_of(root, "main")
    assert main[0].get("id") == "verdict"
    badges = [shown(badge) for badge in of_class(main[0], "badge")]
    named = {"good": "Good", "fair": "Fair", "poor": "Poor", "unknown": "Not known"}
    assert badges == [named[finding.level] for finding in report.findings]
    assert {"Good", "Fair", "Poor", "Not known"} == set(badges)


def test_the_scoreboard_shows_value_floor_and_how_to_read_it(root):
    card = next(card for card in of_class(root, "card") if "Told from real ECGs" in shown(card))
    assert "1.000" in shown(card)
    assert "Among real ECGs 0.500" in shown(card)
    assert "0.5: it cannot tell" in shown(card)


def test_the_page_asks_for_nothing_and_lets_nothing_in(page, root):
    (policy,) = (node.get("content") for node in all_of(root, "meta") if node.get("http-equiv"))
    (style,) = (node.text for node in all_of(root, "style"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'; " in policy
    assert "script-src" not in policy
    assert all_of(root, "script") == []
    assert not re.search(r"url\((?!#)|@import|expression\(", page)
    for node in root.iter():
        assert "style" not in node.attrib
        assert not any(name.startswith("on") for name in node.attrib)
        for name in ("src", "href", "data", "action"):
            assert re.match(r"#|data:,$", node.get(name, "#"))


def attacked(value, hint=str):
    """The same value with every free text replaced; what a type restricts is left alone."""
    if typing.get_origin(hint) is typing.Literal:
        return value
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value), vars(results))
        changed = {f.name: attacked(getattr(value, f.name), hints[f.name]) for f in dataclasses.fields(value)}
        return replace(value, **changed)
    if isinstance(value, dict):
        return {key + ATTACK: attacked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(attacked(item) for item in value)
    return value + ATTACK if isinstance(value, str) else value


def test_no_text_becomes_markup(report):
    sections = tuple(replace(attacked(section), samples=section.samples[:2]) for section in report.sections)
    samples = tuple(attacked(sample) for sample in report.sections[-1].samples[:2])
    hostile = replace(attacked(report), sections=(*sections, Section("x", "X", samples=samples)))
    page = render(hostile)
    root = ET.fromstring(page)
    assert all_of(root, "script") == []
    assert all_of(root, "img") == []
    assert not any(name.startswith("on") for node in root.iter() for name in node.attrib)
    assert page.count("<script") == page.count("<img") == 0
    assert ATTACK in "".join(root.itertext())


def test_undecodable_file_names_do_not_break_the_page():
    name = b"ecg\xff\x00.h5".decode("utf-8", "surrogateescape")
    page = render(replace(EMPTY, synthetic={"name": name}, settings={"real": name}))
    assert "ecg\ufffd\ufffd.h5" in page.encode("utf-8").decode("utf-8")


def test_an_empty_report_is_a_page():
    root = ET.fromstring(render(EMPTY))
    assert "There are no findings." in shown(root)
    assert of_class(root, "card") == []
    assert ET.fromstring(render(replace(EMPTY, created="yesterday", synthetic={}))) is not None


def test_every_id_is_unique_and_every_reference_has_its_target(root):
    identifiers = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(set(identifiers)) == len(identifiers)
    for node in root.iter():
        wanted = node.get("aria-labelledby", "").split() + [node.get("href", "")[1:]] * (local(node) == "a")
        wanted += re.findall(r"url\(#([^)]+)\)", node.get("fill", ""))
        assert set(wanted) <= set(identifiers)


def test_the_page_speaks_to_screen_readers(root):
    assert root.get("lang") == "en"
    assert all(len(all_of(root, landmark)) == 1 for landmark in ("header", "nav", "main", "footer", "h1"))
    for table in all_of(root, "table"):
        assert local(table[0]) == "caption"
        assert all(cell.get("scope") in ("col", "row") for cell in all_of(table, "th"))
    for drawing in all_of(root, "svg"):
        told = {child.get("id") for child in drawing if local(child) in ("title", "desc")}
        assert drawing.get("aria-hidden") == "true" or set(drawing.get("aria-labelledby").split()) == told
    levels = [int(node.tag[-1]) for node in root.iter() if re.fullmatch(r"h\d", local(node))]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_numbers_stand_right_and_missing_ones_are_dashes(root):
    table = next(table for table in all_of(root, "table") if "AUROC of each label" in shown(table[0]))
    row = next(row for row in all_of(table, "tr") if shown(row[0]) == "CRBBB")
    assert [cell.get("class") for cell in row] == [None, "number", "number", "number", "number"]
    assert shown(row[3]) == "–"


def test_ragged_and_empty_tables_are_shown():
    tables = (Table("t", "T", ("a", "b"), ((1.0,), ("x", 2.0, 3.0))), Table("e", "E", ("a",), ()))
    root = ET.fromstring(render(replace(EMPTY, sections=(Section("s", "S", tables=tables),))))
    assert len(all_of(root, "table")) == 2


def test_real_ecgs_stand_left_of_synthetic_ones_of_their_group(report, root):
    for pair in of_class(root, "pair"):
        assert [mark.text for mark in of_class(pair, "mark")] == ["REAL", "SYNTHETIC"]
    assert [shown(group[0]).split(":")[0] for group in of_class(root, "group")] == [
        sample.group for sample in report.sections[-1].samples[::2]
    ]
    assert "recordings of patients" in shown(root)


def test_the_page_stays_small_whatever_is_in_it():
    random = np.random.default_rng(0)
    rows = tuple(tuple(int(v) for v in row) for row in random.integers(-900, 900, (12, 4900)))
    samples = tuple(Sample(f"s{i}", "synthetic", "norm", 500.0, LEADS, rows) for i in range(14))
    wild = Series("wild", tuple(range(100_000)), tuple(map(float, random.normal(size=100_000))))
    long = Table("t", "Long", ("a",), tuple((f"row {i}",) for i in range(5000)))
    section = Section("s", "S", tables=(long,), charts=(Chart("c", "C", "x", "y", (wild,)),) * 2, samples=samples)
    page = render(replace(EMPTY, sections=(section,)))
    assert len(page.encode()) < MOST_BYTES
    assert "this ECG is in report.json" in page
    assert f"The first {MOST_ROWS} of 5,000 rows" in page


def test_the_example_is_well_under_the_limit(page):
    assert len(page.encode()) < MOST_BYTES / 4


def test_a_measure_without_value_says_so():
    measures = (Measure("membership_auc", "AUC", None), Measure("coverage", "Coverage", 0.9, floor=0.95))
    page = render(
        replace(EMPTY, findings=(Finding("x", "unknown", "So."),), sections=(Section("s", "S", measures=measures),))
    )
    assert "not measured" in page


@pytest.fixture(scope="session")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


PROBE = """<!DOCTYPE html><title>probe</title><pre id="told"></pre>
<iframe src="report.html" width="360" height="800"></iframe>
<iframe src="report.html" width="1400" height="800"></iframe>
<script>
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    const shown = [...page.querySelectorAll("h1, h2")].filter(node => node.getBoundingClientRect().height > 10);
    const fonts = getComputedStyle(page.querySelector(".card .value")).fontSize;
    const requests = frame.contentWindow.performance.getEntriesByType("resource").length;
    document.getElementById("told").textContent += [
      frame.width, page.documentElement.scrollWidth, shown.length, parseFloat(fonts), requests].join(" ") + "\\n";
  }
});
</script>
"""


def test_a_browser_shows_the_page_without_complaint_or_request(chromium, page, root, tmp_path):
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    (tmp_path / "probe.html").write_text(PROBE, encoding="utf-8")
    options = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}",
    )  # fmt: skip
    command = [chromium, *options, (tmp_path / "probe.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    lines = [tuple(map(float, line.split())) for line in told[1].split("\n") if line]
    assert [line[0] for line in lines] == [360, 1400]
    headings = len(all_of(root, "h1")) + len(all_of(root, "h2"))
    for width, needed, shown_headings, size, requests in lines:
        assert needed <= width, "the page must not scroll sideways"
        assert shown_headings == headings
        assert size > 25, "the style sheet is not applied"
        assert requests == 0
