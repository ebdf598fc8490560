"""The benchmarks that set models beside each other: reports, and ECGs beside what was made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from example_report import example_report

import ecgsdk
from ecgsdk.readers import read_ptbxl

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def test_two_reports_stand_side_by_side(real_batch, tmp_path):
    from compare import main

    report = json.dumps(example_report(real_batch, real_batch).as_dict(), default=float)
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text(report)
    files = [str(tmp_path / name) for name in ("one.json", "two.json")]
    result = CliRunner().invoke(main, [*files, "--names", "flow,yoo"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "| flow | flow, floor | yoo | yoo, floor |" in result.output
    assert "macro-AUROC, real → real" in result.output
    assert CliRunner().invoke(main, [*files, "--names", "one"]).exit_code == 2


class Echo:
    """A synthesiser that gives back its sources, larger by its strength."""

    def resynthesize(self, source, *, seed=0, strength=1.0):
        for batch in source.batches():
            yield replace(batch, signals=batch.signals * (1 + strength))


def test_figures_of_pairs_are_those_of_their_difference(ptbxl_folder):
    from similarity import measure

    source = read_ptbxl(ptbxl_folder)
    same, larger = (measure(Echo(), source, strength, 0)["all"] for strength in (0.0, 0.5))
    assert (same["records"], same["figures"]) == (6, [0.0, 1.0, 0.0, 1.0])
    rms, cosine, rms_of_beats, cosine_of_beats = larger["figures"]
    assert (cosine, cosine_of_beats) == (1.0, 1.0)
    assert 0.02 < rms < 0.5
    assert 0.02 < rms_of_beats < 0.5


def test_a_record_without_a_whole_beat_has_no_usual_one():
    from similarity import means, usual_beat

    beat = usual_beat(np.ones((12, 1000)), np.array([0.1, 9.9]), 100.0)
    assert beat.shape == (12, 75)
    assert np.isnan(beat).all()
    assert means([[1.0, np.nan], [3.0, 5.0]]) == [2.0, 5.0]


def test_the_shipped_synthesiser_meets_the_paper_on_the_shipped_records(ptbxl_folder):
    from similarity import measure

    found = measure(ecgsdk.load_synthesiser(), read_ptbxl(ptbxl_folder), 1.0, 0)["all"]["figures"]
    assert found[0] <= 0.042
    assert found[1] >= 0.98
