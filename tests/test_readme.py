"""The README's commands run as they stand, and its test command is the one that CI runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecgsdk_cli.main import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"```(?:sh|bash)\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip().startswith("ecgsdk ")
]
TRAINING = ("ecgsdk train", "ecgsdk export")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("readme")
    (path / "cohort.csv").write_text("statements,heart_rate,age,sex\nCLBBB+MI,62,71,F\nAFIB,,80,\n,,,\n")
    return path


def test_there_are_commands_to_run():
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith(TRAINING)])
def test_command(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    arguments = shlex.split(command, comments=True)[1:]
    # As many records as the README asks for would take minutes: the rest of the command stays as it is.
    for position, word in enumerate(arguments):
        if word == "-n" and int(arguments[position + 1]) > 12:
            arguments[position + 1] = "12"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output


def test_python_example(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})


def test_ci_runs_the_test_command():
    command = next(line for line in README.splitlines() if "python3 -m venv" in line and "pytest" in line)
    assert command.strip() in (ROOT / ".ci" / "run").read_text()
