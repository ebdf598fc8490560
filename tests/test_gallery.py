"""Galleries: which ECGs are shown, what the page says and holds, and what a browser makes of it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError, WriteError
from ecgsdk.gallery import write, write_gallery
from ecgsdk.gallery.choosing import choose, group_title
from ecgsdk.gallery.packing import MISSING, microvolts, pack
from ecgsdk.leads import LEADS
from ecgsdk.writers import open_writer
from ecgsdk_cli.main import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


def unpacked(text, rows, samples):
    """What the page's script does, in Python."""
    packed, at, values = base64.b64decode(text), 0, np.zeros((rows, samples), np.int16)
    for row in range(rows):
        value = 0
        for sample in range(samples):
            step = packed[at]
            at += 1
            if step == 128:
                step = packed[at] | packed[at + 1] << 8
                at += 2
            elif step > 128:
                step -= 256
            value = (value + step + 0x8000) % 0x10000 - 0x8000
            values[row, sample] = value
    assert at == len(packed)
    return values


def groups(n=60, samples=40):
    """Records of four groups in turn; their first sample is their index in microvolts."""
    conditions = (
        Condition(("NORM",)),
        Condition(("LVH", "AFIB")),
        Condition(("PVC",)),
        Condition(("CLBBB",)),
        Condition(),
    )
    signals = np.zeros((n, 12, samples), np.float32)
    signals[:, :, 0] = np.arange(n)[:, None] / 1000
    return ECGBatch(signals, 100.0, tuple(conditions[i % 5] for i in range(n)), tuple(map(str, range(n))))


def page_of(tmp_path, source, **options):
    write_gallery(tmp_path / "page.html", source, **options)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def data(page):
    return json.loads(re.search(r'<script type="application/json" id="ecgs">(.*?)</script>', page, re.DOTALL)[1])


def test_steps_of_any_size_come_back():
    values = np.array([[0, 127, 0, -127, 1, 129, 0, -128, 32767, -32767, MISSING, 5, 0]], np.int16)
    assert (unpacked(pack(values), *values.shape) == values).all()
    noise = np.random.default_rng(0).normal(scale=200, size=(12, 50)).astype(np.int16)
    assert (unpacked(pack(noise), *noise.shape) == noise).all()
    assert len(base64.b64decode(pack(np.arange(100)[None]))) == 100


def test_microvolts_are_rounded_limited_and_marked_where_missing():
    assert microvolts(np.array([0.0014, -0.0016, 90.0, np.nan])).tolist() == [1, -2, 32767, MISSING]


def test_each_group_gets_as_many_as_asked_for():
    choice = choose(groups(), 4, 0, 10.0)
    assert choice.counts == {"norm": 12, "afib": 12, "lbbb": 12, "other": 24}
    assert {group: len(records) for group, records in choice.shown.items()} == dict.fromkeys(choice.counts, 4)
    assert len(choose(groups(), 100, 0, 10.0).records()) == 60
    for record in choice.records():
        assert record.signals[0, 0, 0] == pytest.approx(int(record.identifiers[0]) / 1000)


def drawn(source, seed=0):
    return [record.identifiers[0] for record in choose(source, 3, seed, 10.0).records()]


def test_the_draw_depends_on_order_and_seed_alone(tmp_path):
    batch = groups()
    with open_writer(tmp_path / "all.h5", sampling_rate=100.0, total=60, provenance=None) as writer:
        writer.write(batch)
    cut = (batch[first : first + 7] for first in range(0, 60, 7))
    assert drawn(batch) == drawn(cut) == drawn(tmp_path / "all.h5") == drawn(batch)
    assert drawn(batch) != drawn(batch, seed=1)


def test_only_the_first_seconds_are_kept():
    assert choose(groups(), 1, 0, 0.25).records()[0].signals.shape == (1, 12, 25)


def test_groups_are_named_in_words():
    assert group_title("afib") == "Atrial fibrillation or atrial flutter"
    assert group_title("other") == "Other statements, or none"


def test_a_page_of_synthetic_ecgs_says_so(tmp_path, synthetic_batch):
    page = page_of(tmp_path, synthetic_batch)
    assert "<h1>Synthetic ECGs by group</h1>" in page
    assert "model tiny, seed 7, ecgsdk 0.1.0" in page
    assert "5 of 5, up to 6 a group, drawn with seed 0" in page
    assert page.count('class="badge synthetic"') == 1
    assert "25 mm/s, 10 mm/mV" in page
    assert [ecg["mark"] for ecg in data(page)["ecgs"]] == ["SYNTHETIC"] * 5
    (spoken,) = re.findall(r'aria-label="(Synthetic ECG, AFIB[^"]*)"', page)
    assert spoken.startswith(
        "Synthetic ECG, AFIB + LVH, atrial fibrillation; left ventricular hypertrophy, heart rate "
    )
    assert spoken.endswith("(asked for 110) · age 81 · sex M, record 2")


def test_a_page_of_real_ecgs_does_not_say_synthetic(tmp_path, ptbxl_folder):
    page = page_of(tmp_path, ptbxl_folder)
    assert "<h1>Real ECGs by group</h1>" in page
    assert "<dd>ptb-xl</dd>" in page
    assert str(ptbxl_folder.parent) not in page
    assert "SYNTHETIC" not in page
    assert len(data(page)["ecgs"]) == 6


def test_signals_on_the_page_are_those_of_the_source(tmp_path, real_batch):
    ecgs = {ecg["facts"].rsplit(" ", 1)[1]: ecg for ecg in data(page_of(tmp_path, real_batch))["ecgs"]}
    for index, name in enumerate(real_batch.identifiers):
        values = unpacked(ecgs[name]["signals"], 12, ecgs[name]["samples"])
        assert (values == microvolts(real_batch.signals[index])).all()
        assert ecgs[name]["rate"] == 100


def test_a_high_rate_is_lowered_so_that_the_page_stays_small(tmp_path):
    fast = replace(groups(5, samples=5000), sampling_rate=500.0)
    (first, *_) = data(page_of(tmp_path, fast))["ecgs"]
    assert (first["rate"], first["samples"]) == (250.0, 2500)


def test_missing_samples_are_missing_on_the_page(tmp_path):
    batch = groups(1)
    batch.signals[0, 3, 10:20] = np.nan
    (ecg,) = data(page_of(tmp_path, batch))["ecgs"]
    values = unpacked(ecg["signals"], 12, ecg["samples"])
    assert np.flatnonzero(values[3] == MISSING).tolist() == list(range(10, 20))
    assert (np.delete(values, 3, axis=0) != MISSING).all()


def test_missing_samples_stay_missing_at_a_lower_rate(tmp_path):
    fast = replace(groups(1, samples=5000), sampling_rate=500.0)
    fast.signals[:] = 0.4
    fast.signals[0, 3, 1000:1500] = np.nan
    page = page_of(tmp_path, fast)
    (ecg,) = data(page)["ecgs"]
    row = unpacked(ecg["signals"], 12, ecg["samples"])[3]
    assert np.flatnonzero(row == MISSING).tolist() == list(range(500, 750))
    assert np.abs(row[row != MISSING] - 400).max() <= 2, "nothing rings beside the gap"


def test_the_page_may_run_its_own_script_and_load_nothing(tmp_path, synthetic_batch):
    page = page_of(tmp_path, synthetic_batch)
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1])
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert set(re.findall(r"https?://[^\"' ;]*", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"""(?:src|href)="(?!#|data:,")""", page)


def test_what_a_source_says_is_text(tmp_path):
    evil = '</script><script>alert("x")</script>'
    batch = replace(groups(2), conditions=(Condition((evil,)),) * 2, identifiers=(evil, "b"))
    page = page_of(tmp_path, batch, title=evil)
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert evil in data(page)["ecgs"][0]["facts"] + data(page)["ecgs"][1]["facts"]


def test_the_same_source_gives_the_same_page(tmp_path, synthetic_batch):
    assert page_of(tmp_path, synthetic_batch) == page_of(tmp_path, iter([synthetic_batch]), overwrite=True)


def test_what_cannot_be_made_ends_in_one_line(tmp_path, synthetic_batch, monkeypatch):
    with pytest.raises(WriteError, match=r"page.txt is no name of a web page; end it in .html"):
        write_gallery(tmp_path / "page.txt", synthetic_batch)
    with pytest.raises(DataError, match="0 records of a group"):
        write_gallery(tmp_path / "page.html", synthetic_batch, per_group=0)
    with pytest.raises(DataError, match="the source has no records to show"):
        write_gallery(tmp_path / "page.html", iter([]))
    monkeypatch.setattr(write, "MOST_BYTES", 50_000)
    with pytest.raises(DataError, match=r"5 ECGs make a page of .* MB, more than 0.05 MB; ask for about \d a group"):
        write_gallery(tmp_path / "page.html", synthetic_batch)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "page.html").write_text("precious")
    with pytest.raises(WriteError, match="exists already"):
        write_gallery(tmp_path / "page.html", synthetic_batch)


def test_the_command(tmp_path, ptbxl_folder):
    output = str(tmp_path / "real.html")
    result = CliRunner().invoke(main, ["gallery", str(ptbxl_folder), "-o", output, "--per-group", "1", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert set(told["shown"].values()) == {1}
    assert len(data((tmp_path / "real.html").read_text(encoding="utf-8"))["ecgs"]) == len(told["shown"])
    result = CliRunner().invoke(main, ["gallery", str(ptbxl_folder), "-o", output])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    result = CliRunner().invoke(main, ["gallery", str(ptbxl_folder), "-o", output, "--force"])
    assert result.stdout.startswith("drew 6 ECGs of ")


def test_what_a_table_does_not_say_is_asked_for(tmp_path):
    (tmp_path / "x.csv").write_text("I,II,V1,V2,V3,V4,V5,V6\n" + "1,2,3,4,5,6,7,8\n" * 200)
    words = ["gallery", str(tmp_path / "x.csv"), "-o", str(tmp_path / "x.html"), "--input-rate", "100"]
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, "state it with input_unit= (--input-unit)" in result.stderr) == (1, True)
    result = CliRunner().invoke(main, [*words, "--input-unit", "uV"])
    assert (result.exit_code, result.stderr) == (0, "")


OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=10000",
)  # fmt: skip
PROBE = """<!DOCTYPE html><title>probe</title><pre id="told"></pre>
<iframe src="page.html#ecg-1" width="400" height="800"></iframe>
<iframe src="page.html" width="1400" height="800"></iframe>
<script>
addEventListener("load", () => setTimeout(() => {
  const told = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, view = frame.contentWindow;
    const part = name => page.getElementById(name);
    const tell = () => [part("viewer").open, page.activeElement.id, view.location.hash,
      part("viewer-title").textContent, part("paper").querySelectorAll("text").length, part("size").textContent];
    const press = key => {
      const target = page.activeElement;
      target.dispatchEvent(new view.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      return tell();
    };
    const steps = { needed: page.documentElement.scrollWidth, wide: frame.width, first: tell() };
    steps.requests = view.performance.getEntriesByType("resource").length;
    if (!part("viewer").open) {
      page.querySelector("a.open").focus();
      steps.walked = [press("ArrowRight")[1], press("End")[1], press("ArrowUp")[1], press("Home")[1]];
      return steps;
    }
    steps.right = press("ArrowRight");
    steps.all = press("a");
    page.querySelector("[data-lead=V3]").click();
    steps.without = tell();
    press("p");
    page.querySelector("[data-lead=V1]").click();
    steps.one = tell();
    steps.label = part("paper").firstElementChild.getAttribute("aria-label");
    steps.trace = part("paper").querySelector(".trace").getAttribute("d").length;
    steps.larger = press("+");
    part("close").click();
    return steps;
  });
  document.getElementById("told").textContent = JSON.stringify(told);
}, 500));
</script>
"""


def browse(tmp_path, *options):
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", *options]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_viewer_obeys_address_and_keys(tmp_path, synthetic_batch):
    page_of(tmp_path, synthetic_batch)
    (tmp_path / "probe.html").write_text(PROBE, encoding="utf-8")
    said = browse(tmp_path, "--dump-dom", (tmp_path / "probe.html").as_uri())
    narrow, wide = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', said, re.DOTALL)[1]))
    for told in (narrow, wide):
        assert told["needed"] <= int(told["wide"]), "the page must not scroll sideways"
        assert told["requests"] == 0
    assert narrow["first"] == [True, "viewer-title", "#ecg-1", "AFIB + LVH", 13, "100 %"]
    assert narrow["right"][:5] == [True, "viewer-title", "#ecg-2", "LAO/LAE + 1AVB", 13]
    assert (narrow["all"][4], narrow["without"][4], narrow["one"][4]) == (12, 11, 1)
    assert narrow["label"].startswith("SYNTHETIC ECG, LAO/LAE + 1AVB. heart rate ")
    assert narrow["label"].endswith("leads V1; 25 mm/s, 10 mm/mV.")
    assert narrow["trace"] > 300 * 5, "each sample is drawn"
    assert narrow["larger"][5] == "125 %"
    assert wide["first"][0] is False
    assert wide["walked"] == ["ecg-1", "ecg-4", "ecg-2", "ecg-0"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_viewer_is_seen_in_the_dark(tmp_path, real_batch):
    image = pytest.importorskip("PIL.Image")
    page_of(tmp_path, real_batch)
    picture = tmp_path / "seen.png"
    address = (tmp_path / "page.html").as_uri() + "#ecg-0"
    options = ("--window-size=900,700", "--hide-scrollbars", "--blink-settings=preferredColorScheme=0")
    browse(tmp_path, *options, f"--screenshot={picture}", address)
    with image.open(picture) as seen:
        shades = np.asarray(seen.convert("L"))
    assert shades.shape == (700, 900)
    dark, bright = (shades < 60).mean(), (shades > 180).mean()
    assert dark > 0.7, "the page is dark"
    assert 0.005 < bright < 0.2, "traces and letters are bright"


def test_every_lead_has_a_button(tmp_path, synthetic_batch):
    page = page_of(tmp_path, synthetic_batch)
    assert tuple(re.findall(r'data-lead="(\w+)"', page)) == LEADS
