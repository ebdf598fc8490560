"""The overfitted generator: it learns a few records of a run by heart, goes on where it stopped, and is judged."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ecgsdk.conditions import Condition
from ecgsdk.validation.results import Measure, Section

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def found(auc):
    return Section("privacy", "Privacy", measures=(Measure("membership_auc", "AUC", auc, floor=0.51),))


def test_members_are_those_that_a_generator_may_be_asked_for():
    from overfitted import askable

    conditions = [
        Condition(("NORM",), 72.0, 44.0, "F"),
        Condition(("NORM", "AFIB"), 90.0, 70.0, "M"),
        Condition(("STACH",), 182.0, 30.0, "M"),
        Condition(("AFIB",), 110.0, None, None),
        Condition(("SBRAD",), 80.0, 50.0, "F"),
        Condition(("NORM",), 72.0, 9.0, "F"),
    ]
    assert askable(conditions).tolist() == [0, 3]


def test_a_generator_is_caught_above_the_bound_only():
    from overfitted import CAUGHT, caught

    assert caught(found(CAUGHT + 0.01))
    assert not caught(found(CAUGHT))
    assert not caught(found(None))
    assert not caught(Section("privacy", "Privacy"))


def test_both_generators_stand_side_by_side_with_their_floors():
    from overfitted import report

    lines = report({"run": found(0.5234), "overfitted": found(0.9)}).splitlines()
    assert lines[0] == "| measure | run | floor | overfitted | floor |"
    assert lines[2] == "| AUC | 0.523 | 0.51 | 0.9 | 0.51 |"
    assert lines[3].endswith("| – | – | – | – |")


@pytest.mark.parametrize(("auc", "code"), [(0.9, 0), (0.6, 1)])
def test_the_exit_code_says_whether_it_was_caught(monkeypatch, tmp_path, auc, code):
    import overfitted

    monkeypatch.setattr(overfitted, "prepare", lambda *args, **settings: None)
    monkeypatch.setattr(overfitted, "overfit", lambda *args: None)
    monkeypatch.setattr(overfitted, "audits", lambda *args, **settings: {"run": found(0.5), "overfitted": found(auc)})
    figures = tmp_path / "figures.json"
    arguments = [str(tmp_path), str(tmp_path), "--out", str(tmp_path / "out"), "--json", str(figures)]
    result = CliRunner().invoke(overfitted.main, arguments)
    assert result.exit_code == code, result.output
    assert ("is not caught" in result.output) == bool(code)
    assert json.loads(figures.read_text())["overfitted"]["membership_auc"]["value"] == auc


def test_a_folder_that_is_no_run_ends_in_one_line(tmp_path):
    pytest.importorskip("torch")
    import overfitted

    result = CliRunner().invoke(overfitted.main, [str(tmp_path), str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "train.npz is missing" in result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory, ptbxl_folder):
    """A tiny run on the shipped records, one of which is held out."""
    torch = pytest.importorskip("torch")
    from ecgsdk.training.config import CONFIGS
    from ecgsdk.training.train import train

    ptbxl = shutil.copytree(ptbxl_folder, tmp_path_factory.mktemp("data") / "ptb-xl")
    with (ptbxl / "ptbxl_database.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for fold, row in enumerate(rows):
        row["strat_fold"] = str(fold or 9)
    with (ptbxl / "ptbxl_database.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    widths = {"encoder_widths": (16, 16), "decoder_widths": (16, 16), "decoder_blocks": 1, "flow_widths": (16, 16, 16)}
    lengths = {f"{name}_{what}": 4 for name in ("autoencoder", "flow", "rhythm") for what in ("steps", "batch")}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    assert train(
        folder, ptbxl, config=replace(CONFIGS["cpu"], rhythm_width=8, distil_steps=0, **widths, **lengths), device="cpu"
    )
    yield folder
    torch.set_num_threads(before)


@pytest.mark.torch
class TestTraining:
    def settings(self, **others):
        return {"members": 3, "seed": 0, "flow_steps": 60, "flow_batch": 8, "flow_rate": 3e-3} | others

    def test_goes_on_from_the_runs_weights_and_learns_the_members(self, run, tmp_path):
        from overfitted import memorising_stage, prepare

        from ecgsdk.training.loop import load_stage

        config = prepare(run, tmp_path / "out", **self.settings())
        stage = memorising_stage(run, tmp_path / "out", config)
        start = load_stage(run, "flow")["networks"]["average"]["average.stem.weight"]
        assert np.array_equal(stage.networks["flow"].stem.weight.detach().numpy(), start.numpy())
        losses = [float(stage.step(number)["loss"]) for number in range(40)]
        assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:4])

    def test_holds_the_members_alone(self, run, tmp_path):
        from overfitted import prepare

        from ecgsdk.training.data import load_prepared

        config = prepare(run, tmp_path / "out", **self.settings())
        members, whole = (load_prepared(folder / "train.npz", config) for folder in (tmp_path / "out", run))
        rows = [whole.identifiers.tolist().index(name) for name in members.identifiers]
        assert len(set(rows)) == 3
        assert np.array_equal(members.signals, whole.signals[rows])
        assert members.resolution_uv == whole.resolution_uv
        assert members.conditions(config.statements) == [whole.conditions(config.statements)[i] for i in rows]

    def test_is_asked_for_as_many_held_out_records_as_members(self, run, tmp_path):
        from overfitted import choose_tested, named, prepare

        import ecgsdk

        config = prepare(run, tmp_path / "out", **self.settings(members=1))
        tested = choose_tested(run, tmp_path / "out", config, seed=0)
        assert (len(tested.members), len(tested.others), len(tested.asked)) == (1, 1, 2)
        source = ecgsdk.read_ecgs(FOLDER.parent / "tests" / "data" / "ptb-xl")
        one = named(source, (*tested.others, *tested.members))
        assert one.identifiers == (*tested.others, *tested.members)
        assert [c.age for c in one.conditions] == [c.age for c in tested.asked[::-1]]

    def test_goes_on_where_it_was_stopped_and_refuses_other_settings(self, run, tmp_path):
        from overfitted import memorising_stage, overfit, prepare

        from ecgsdk.errors import TrainingError
        from ecgsdk.training.loop import load_stage, run_stage

        out, settings = tmp_path / "out", self.settings(flow_steps=6)
        config = prepare(run, out, **settings)
        assert not run_stage(memorising_stage(run, out, config), out, max_seconds=1e-9)
        assert load_stage(out, "flow")["step"] < 6
        overfit(run, out, prepare(run, out, **settings))
        assert load_stage(out, "flow")["step"] == 6
        assert load_stage(run, "flow")["step"] == 4
        with pytest.raises(TrainingError, match="other settings"):
            prepare(run, out, **self.settings(flow_steps=7))

    def test_ends_in_a_model_that_generates(self, run, tmp_path):
        from overfitted import generate, overfit, prepare

        import ecgsdk
        from ecgsdk.training.data import load_prepared
        from ecgsdk.training.export import export

        config = prepare(run, tmp_path / "out", **self.settings(flow_steps=2))
        overfit(run, tmp_path / "out", config)
        export(tmp_path / "out", tmp_path / "model", version="0")
        asked = load_prepared(tmp_path / "out" / "train.npz", config).conditions(config.statements)
        generate(tmp_path / "model", asked, tmp_path / "made.h5", seed=0)
        assert len(ecgsdk.read_ecgs(tmp_path / "made.h5")) == 3
