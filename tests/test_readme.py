"""The README's commands run as they stand, and its test command is the one that CI runs."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from clinical_files import muse_xml

from ecgsdk_cli.main import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
WITH_PTBXL = ("ecgsdk train", "ecgsdk export", "ecgsdk validate")


def commands(block):
    """The ecgsdk commands of a block in order, those that need the whole of PTB-XL left out."""
    parts = [part.strip() for line in block.replace("\\\n", " ").splitlines() for part in line.split("&&")]
    return [part for part in parts if part.startswith("ecgsdk ") and not part.startswith(WITH_PTBXL)]


BLOCKS = [found for found in (commands(block) for kind, block in FENCES if kind in ("", "sh", "bash")) if found]


def test_there_are_commands_to_run():
    assert [block[0].split()[1] for block in BLOCKS] == ["generate", "generate", "convert"]
    assert sum(map(len, BLOCKS)) >= 7


def ptbxl_of_fold_9(source, target):
    """A copy of the shipped PTB-XL records in which all of them are of fold 9."""
    shutil.copytree(source, target)
    table = target / "ptbxl_database.csv"
    head, *rows = csv.reader(table.read_text(encoding="utf-8").splitlines())
    fold = head.index("strat_fold")
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *([*row[:fold], "9", *row[fold + 1 :]] for row in rows)])


def hospital(folder):
    """A folder with one ECG as a GE MUSE export."""
    folder.mkdir()
    counts = np.random.default_rng(0).integers(-200, 200, size=(8, 5000))
    (folder / "ecg.xml").write_bytes(muse_xml(counts))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[0])
def test_commands_of_a_block_run_one_after_the_other(block, ptbxl_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ptbxl_of_fold_9(ptbxl_folder, Path("ptb-xl"))
    hospital(Path("hospital-xml"))
    Path("cohort.csv").write_text("statements,heart_rate,age,sex\nCLBBB+MI,62,71,F\nAFIB,,80,\n,,,\n")
    for command in block:
        result = CliRunner().invoke(main, shortened(shlex.split(command, comments=True)[1:]))
        assert result.exit_code == 0, f"{command}\n{result.output}"


def shortened(arguments):
    """The arguments with 12 records at most: as many as the README asks for would take minutes."""
    return ["12" if before == "-n" and int(word) > 12 else word for before, word in zip(["", *arguments], arguments)]


def test_python_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = [block for kind, block in FENCES if kind == "python"]
    exec(compile(example, "README.md", "exec"), {})


@pytest.mark.parametrize("path", ["README.md", *(f"docs/{file.name}" for file in sorted((ROOT / "docs").glob("*.md")))])
def test_no_gap_is_left_to_fill(path):
    assert re.findall(r".*@@.*", (ROOT / path).read_text(encoding="utf-8")) == []


def test_ci_runs_the_test_command():
    command = next(line for line in README.splitlines() if "python3 -m venv" in line and "pytest" in line)
    assert command.strip() in (ROOT / ".ci" / "run").read_text()
