"""Progress without a terminal: one plain line for each step that takes long, and none for the others."""

from __future__ import annotations

import re
import time

import pytest

from ecgsdk.validation.progress import no_progress, terminal_progress


@pytest.fixture(autouse=True)
def short_silence(monkeypatch):
    monkeypatch.setattr("ecgsdk.validation.progress._SILENT_S", 0.05)


def wait_for(capsys, text):
    said = ""
    for _ in range(200):
        said += capsys.readouterr().err
        if text in said:
            return said
        time.sleep(0.01)
    raise AssertionError(f"{text!r} was not said, but {said!r}")


def test_a_long_step_is_told_while_it_runs_and_when_it_ends(capsys):
    with terminal_progress("generating synthetic ECGs", 12_700) as advance:
        assert wait_for(capsys, "…") == "generating synthetic ECGs: 12700 …"
        advance(64)
    assert re.fullmatch(r" done in \d+ s\n", capsys.readouterr().err)


def test_a_short_step_is_not_told(capsys, monkeypatch):
    monkeypatch.setattr("ecgsdk.validation.progress._SILENT_S", 60)
    with terminal_progress("measuring real ECGs", 10) as advance:
        advance(10)
    assert capsys.readouterr().err == ""


def test_a_step_that_fails_ends_its_line(capsys):
    def interrupted():
        with terminal_progress("training resnet1d", 3):
            wait_for(capsys, "training resnet1d: 3 …")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert re.fullmatch(r" stopped after \d+ s\n", capsys.readouterr().err)


def test_nothing_is_told_where_nothing_is_asked_for(capsys):
    with no_progress("measuring", 10) as advance:
        advance(10)
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
