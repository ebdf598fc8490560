"""A data set from end to end: the same bytes twice, what the folder holds, and how building and checking it end."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk.conditions import GROUPS
from ecgsdk.dataset import Fault, Plan, build_dataset, verify_dataset
from ecgsdk.dataset.readme import FILES
from ecgsdk.quality import quality_options
from ecgsdk_cli.main import main

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ["--per-group", "2", "--test-share", "0.5", "--quiet"]
PAGES = ("README.md", "DATASHEET.md", "LICENSE", "croissant.json", "records.csv", "gallery.html")


def run(*arguments):
    return CliRunner().invoke(main, ["dataset", *map(str, arguments)])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    result = run("build", "-o", folder, *OPTIONS)
    assert (result.exit_code, result.output) == (0, "")
    return folder


@pytest.fixture
def copy(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "copy"))


@pytest.fixture
def without_gallery(monkeypatch):
    monkeypatch.setattr("ecgsdk.gallery.write_gallery", lambda path, source, **options: path.write_text("a page"))


def rows(folder):
    with (folder / "records.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def words(path):
    return " ".join(path.read_text(encoding="utf-8").split())


def test_the_same_command_gives_the_same_bytes(built, tmp_path):
    result = run("build", "-o", tmp_path / "again", *OPTIONS, "--threads", "1", "--json")
    facts = json.loads(result.output)
    assert (tmp_path / "again" / "SHA256SUMS").read_bytes() == (built / "SHA256SUMS").read_bytes()
    assert facts["sums"] == hashlib.sha256((built / "SHA256SUMS").read_bytes()).hexdigest()
    assert (facts["records"], facts["train"], facts["test"], facts["seed"]) == (12, 6, 6, 2023)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_the_folder_holds_what_its_readme_lists(built):
    assert {path.name for path in built.iterdir()} == set(FILES)
    assert all(f"`{name}" in (built / "README.md").read_text() for name in FILES)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not here")
def test_sha256sum_agrees(built):
    done = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=built, capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == sum(path.is_file() for path in built.rglob("*")) - 1


def test_both_formats_and_the_generator_give_the_same_ecgs(built):
    cohort = ecgsdk.Cohort.from_groups(GROUPS)
    generator = ecgsdk.load_generator()
    asked = {"seed": 2023, "accompanied": True, "sampling_rate": 100, **quality_options(generator, "high")}
    (batch,) = generator.generate(cohort, 12, **asked)
    for name in ("ecg.h5", "wfdb"):
        source = ecgsdk.read_ecgs(built / name)
        assert np.abs(source.read(range(12)) - batch.signals).max() < 0.0021
        assert source.conditions == batch.conditions
        assert source.provenance == batch.provenance


def test_the_table_says_what_each_record_shows(built):
    table = rows(built)
    assert [row["group"] for row in table] == list(GROUPS) * 2
    assert [row["record"] for row in table] == [str(i) for i in range(12)]
    assert table[7]["wfdb_record"] == "wfdb/000007"
    assert all(row["split"] != other["split"] for row, other in zip(table[:6], table[6:]))
    with h5py.File(built / "ecg.h5") as file:
        for row, held in zip(table, file["conditions"][:]):
            assert row["statements"] == held["statements"].decode()
            assert row["statements"].split("+")[0] == GROUPS[row["group"]][0]
            assert float(row["age_years"]) == pytest.approx(held["age"])
            assert row["sex"] == held["sex"].decode()
    assert any("+" in row["statements"] for row in table)
    sinus = [row for row in table if row["group"] != "afib"]
    assert all(abs(float(row["measured_heart_rate_bpm"]) - float(row["heart_rate_bpm"])) < 5 for row in sinus)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_tells_of_the_machine(built, name):
    text = (built / name).read_text(encoding="utf-8")
    assert str(built.parent) not in text
    assert ".part-" not in text


def test_the_datasheet_has_the_cards_figures(built):
    card, text = ecgsdk.find_model("ptbxl-flow").card, words(built / "DATASHEET.md")
    figure = card.metrics["validation_high_quality"]["figures"]["membership_auc"]
    assert f"{figure['value']:.3f} | {figure['floor']:.3f}" in text
    assert f"Of {card.high_quality_candidates} ECGs that were made for each record the model chose one" in text
    assert all(graph["sha256"] in text for graph in card.graphs.values())
    assert hashlib.sha256((built / "ecg.h5").read_bytes()).hexdigest() in text
    assert card.data["credit"] in text


def test_the_licence_names_terms_and_credit(built):
    text = words(built / "LICENSE")
    assert "CC BY 4.0: https://creativecommons.org/licenses/by/4.0/" in text
    assert ecgsdk.find_model("ptbxl-flow").card.data["credit"] in text


@pytest.mark.parametrize("page", ["README.md", "docs/dataset.md"])
def test_code_of_the_pages_runs(built, monkeypatch, page):
    monkeypatch.chdir(built)
    text = (ROOT / page if page.startswith("docs") else built / page).read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(examples) >= 2
    names: dict = {}
    for example in examples:
        exec(compile(example, page, "exec"), names)
    assert names["signals"].shape == (6, 12, 1000)
    assert names["leads"] == list(ecgsdk.LEADS)
    assert sorted(names["groups"]) == sorted(GROUPS)


def test_croissant_describes_files_and_columns(built):
    facts = json.loads((built / "croissant.json").read_text())
    files = [part for part in facts["distribution"] if part["@type"] == "cr:FileObject"]
    assert {part["name"] for part in files} == set(FILES) - {"wfdb", "croissant.json", "SHA256SUMS"}
    for part in files:
        content = (built / part["contentUrl"]).read_bytes()
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
        assert part["contentSize"] == f"{len(content)} B"
    (records,) = [part for part in facts["recordSet"] if part["name"] == "records"]
    assert [field["name"].removeprefix("records/") for field in records["field"]] == list(rows(built)[0])


@pytest.mark.filterwarnings("ignore")
def test_croissant_is_valid_and_loads(built):
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=built / "croissant.json")
    assert not dataset.metadata.issues.errors
    assert {re.search(r"schema.org/(\w+)", text)[1] for text in dataset.metadata.issues.warnings} == {"datePublished"}
    records = list(dataset.records("records"))
    assert [row["records/group"].decode() for row in records] == list(GROUPS) * 2
    headers = list(dataset.records("wfdb_headers"))
    assert {row["wfdb_headers/name"] for row in headers} == {f"{i:06d}".encode() for i in range(12)}


def test_one_format_leaves_the_other_out_everywhere(tmp_path, without_gallery):
    plan = Plan(per_group=1, formats=("hdf5",), url="https://example.org/ecg", published="2026-11-23")
    build_dataset(tmp_path / "set", plan)
    assert {path.name for path in (tmp_path / "set").iterdir()} == set(FILES) - {"wfdb"}
    assert "rdrecord" not in (tmp_path / "set" / "README.md").read_text()
    facts = json.loads((tmp_path / "set" / "croissant.json").read_text())
    assert (facts["url"], facts["datePublished"]) == ("https://example.org/ecg", "2026-11-23")
    assert [part["name"] for part in facts["recordSet"]] == ["splits", "records"]
    assert "wfdb_record" not in rows(tmp_path / "set")[0]


def test_statements_alone_when_told(built, tmp_path, without_gallery):
    result = run("build", "-o", tmp_path / "set", "--per-group", "1", "--formats", "hdf5", "--alone", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert [row["statements"] for row in rows(tmp_path / "set")] == [codes[0] for codes in GROUPS.values()]
    alone, accompanied = (words(folder / "DATASHEET.md") for folder in (tmp_path / "set", built))
    assert "--seed 2023 --alone --formats hdf5" in alone
    assert "One statement is asked for in each record" in alone
    assert "--alone" not in accompanied
    assert "further statements drawn as often as they occur with it" in accompanied


def test_an_existing_folder_is_replaced_only_when_told_and_ours(copy, without_gallery, tmp_path):
    before = (copy / "SHA256SUMS").read_bytes()
    assert "exists already" in run("build", "-o", copy, "--per-group", "1").output
    (copy / "thesis.txt").write_text("mine")
    assert "holds other files" in run("build", "-o", copy, "--per-group", "1", "--force").output
    assert (copy / "SHA256SUMS").read_bytes() == before
    (copy / "thesis.txt").unlink()
    result = run("build", "-o", copy, "--per-group", "1", "--formats", "wfdb", "--force")
    assert result.exit_code == 0, result.output
    assert "6 ECGs (6 train, 0 test) by ptbxl-flow" in result.output
    assert not (copy / "ecg.h5").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@dataclass
class Interrupted:
    """A generator, of which the user has enough after one batch."""

    made: object

    def __getattr__(self, name):
        return getattr(self.made, name)

    def generate(self, *arguments, **options):
        yield next(iter(self.made.generate(*arguments, **options)))
        raise KeyboardInterrupt


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    made = Interrupted(ecgsdk.load_generator())
    monkeypatch.setattr(ecgsdk, "load_generator", lambda *arguments, **options: made)
    result = run("build", "-o", tmp_path / "set", "--per-group", "1")
    assert result.exit_code == 1
    # On a loaded machine the progress has a line before it.
    assert result.stderr.splitlines()[-1] == f"error: interrupted; nothing was written to {tmp_path / 'set'}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--real", "ptb-xl/"], "--real is for models that start from real ECGs; leave it out"),
        (["--strength", "2"], "--strength is for models that start from real ECGs; leave it out"),
        (["--model", "ptbxl-encoder"], "ptbxl-encoder is a model of the kind encoder; name a generator"),
        (["--model", "nothing"], "unknown model 'nothing'"),
        (["--formats", "hdf5,edf"], "unknown format 'edf'"),
        (["--published", "today"], "'today' is no day, written as YYYY-MM-DD"),
        (["--published", "2024-13-01"], "'2024-13-01' is no day, written as YYYY-MM-DD"),
        (["--published", "20240101"], "'20240101' is no day, written as YYYY-MM-DD"),
        (["--model", "yoo2023", "--alone"], "--alone is for generators"),
        (["--url", "my page"], "'my page' is not the address of a page"),
    ],
)
def test_a_users_mistake_ends_in_one_line(tmp_path, options, said):
    result = run("build", "-o", tmp_path / "set", *options)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_whole_copy_passes(copy):
    result = run("verify", copy)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "all 32 files are as SHA256SUMS says" in result.output


def test_each_fault_has_its_line(copy):
    (copy / "wfdb" / "000003.dat").write_bytes(b"")
    (copy / "LICENSE").unlink()
    (copy / "wfdb" / "notes.txt").write_text("extra")
    result = run("verify", copy)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["missing: LICENSE", "wrong: wfdb/000003.dat", "extra: wfdb/notes.txt"]
    assert json.loads(run("verify", copy, "--json").stdout)["faults"][0] == {"kind": "missing", "path": "LICENSE"}
    assert verify_dataset(copy)[1][2] == Fault("extra", "wfdb/notes.txt")


def test_links_are_extra(copy, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (copy / "more").symlink_to(tmp_path / "elsewhere")
    (copy / "wfdb" / "loose").symlink_to(tmp_path / "gone")
    assert verify_dataset(copy)[1] == (Fault("extra", "more"), Fault("extra", "wfdb/loose"))


def test_the_readmes_command_keeps_all_digits():
    plan = Plan(per_group=2, real="ptb-xl", strength=1 / 3, test_share=0.1 + 0.2, formats=("wfdb",))
    assert plan.command("my model").split(" ", 3)[3] == (
        "FOLDER --model 'my model' --per-group 2 --seed 2023 --real ptb-xl/ --strength 0.3333333333333333 "
        "--formats wfdb --test-share 0.30000000000000004"
    ).replace("FOLDER", "-o FOLDER")
    assert "--strength 1 " in Plan(strength=1.0).command("m")


@pytest.mark.parametrize("line", ["no checksum", f"{'0' * 64}  ../outside", f"{'0' * 64}  /etc/hosts"])
def test_a_list_that_cannot_be_one_is_refused(copy, line):
    with (copy / "SHA256SUMS").open("a") as file:
        file.write(f"{line}\n")
    result = run("verify", copy)
    assert result.exit_code == 1
    assert "line 33 is not a checksum and a path in the folder" in result.stderr


def test_a_folder_without_a_list_is_refused(tmp_path):
    result = run("verify", tmp_path)
    assert result.exit_code == 1
    assert "has no file SHA256SUMS; name a folder that `ecgsdk dataset build` wrote" in result.stderr
