"""Training and export on a handful of real records: every stage runs, resumes, and ends in a model that generates."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import ecgsdk
from ecgsdk.errors import ConditionError, TrainingError, WriteError
from ecgsdk.flow import integrate
from ecgsdk.quality import quality_options

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
torch.set_num_threads(1)  # the networks here are tiny: threads would only wait for each other

from ecgsdk.training import begun  # noqa: E402
from ecgsdk.training.averages import load_averages  # noqa: E402
from ecgsdk.training.begun import begin_with, begun_config  # noqa: E402
from ecgsdk.training.config import CONFIGS, TrainConfig  # noqa: E402
from ecgsdk.training.data import fit_for_training, load_prepared, prepare, sampling_weights  # noqa: E402
from ecgsdk.training.export import export  # noqa: E402
from ecgsdk.training.flow import build_flow, drop_conditions  # noqa: E402
from ecgsdk.training.loop import load_average, load_stage  # noqa: E402
from ecgsdk.training.losses import low_pass, spectral_loss  # noqa: E402
from ecgsdk.training.networks import BandLimit  # noqa: E402
from ecgsdk.training.pairs import _files, at_other_rate, load_pairs  # noqa: E402
from ecgsdk.training.train import BEGUN_STAGES, STAGES, train  # noqa: E402

TINY = replace(
    CONFIGS["cpu"],
    encoder_widths=(16, 16),
    decoder_widths=(16, 16),
    decoder_blocks=1,
    flow_widths=(16, 16, 16),
    rhythm_width=8,
    autoencoder_steps=4,
    autoencoder_batch=4,
    adversarial_steps=2,
    flow_steps=4,
    flow_batch=4,
    distil_pairs=8,
    distil_steps=4,
    distil_batch=4,
    tuning_steps=2,
    tuning_batch=4,
    ectopic_steps=2,
    ectopic_batch=2,
    noise_floor_steps=2,
    beat_flow_width=16,
    beat_flow_steps=2,
    beat_flow_batch=4,
    refiner_steps=2,
    reader_steps=2,
    reader_batch=4,
    judge_passes=1,
    judge_steps=2,
    judge_batch=4,
    rhythm_steps=4,
    rhythm_batch=4,
)


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory, ptbxl_folder):
    """The shipped records, one of them moved to fold 9 and the rest to folds 1 to 8."""
    folder = shutil.copytree(ptbxl_folder, tmp_path_factory.mktemp("data") / "ptb-xl")
    path = folder / "ptbxl_database.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for fold, row in enumerate(rows):
        row["strat_fold"] = str(fold or 9)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, ptbxl):
    folder = tmp_path_factory.mktemp("run")
    with_an_early_beat(ptbxl, folder)
    assert train(folder, ptbxl, config=TINY, device="cpu")
    return folder


def with_an_early_beat(ptbxl, folder):
    """Prepared data in which one record has a beat half an interval early: of the shipped records, none has."""
    prepare(ptbxl, folder, TINY)
    with np.load(folder / "train.npz") as stored:
        values = dict(stored)
    values["beats"][0, 3] -= (values["beats"][0, 3] - values["beats"][0, 2]) / 2
    np.savez(folder / "train.npz", **values)


def test_folds_one_to_eight_train_and_fold_nine_is_held_out(ptbxl, tmp_path):
    counts = prepare(ptbxl, tmp_path, TINY)
    assert counts == {"train_records": 5, "train_left_out": 0, "validation_records": 1, "validation_left_out": 0}
    held_out, trained = (load_prepared(tmp_path / f"{name}.npz", TINY) for name in ("validation", "train"))
    assert not set(held_out.identifiers) & set(trained.identifiers)
    assert np.abs(trained.signals).max() * trained.resolution_uv > 500
    rates = [c.heart_rate for c in trained.conditions(TINY.statements)]
    assert all(40 < rate < 180 for rate in rates)


def test_each_stage_logs_finite_figures(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {row["stage"] for row in rows} == {*STAGES} - {"prepare", "pairs"}
    assert all(np.isfinite(value) for row in rows for key, value in row.items() if key != "stage")
    assert all(row["steps_per_second"] > 0 for row in rows)


def test_a_stopped_run_ends_as_an_unbroken_one(run, tmp_path):
    for name in ("config.json", "train.npz", "validation.npz", "autoencoder.pt"):
        shutil.copy(run / name, tmp_path)
    calls = 0
    while not train(tmp_path, stages=["flow"], device="cpu", max_seconds=1e-6):
        calls += 1
        assert calls < 10
    assert calls >= 2
    stopped, unbroken = (load_stage(folder, "flow")["networks"] for folder in (tmp_path, run))
    for network in ("flow", "average"):
        for name, weights in unbroken[network].items():
            assert torch.allclose(stopped[network][name], weights, atol=1e-6), name


def test_an_exported_model_generates(run, tmp_path):
    target = tmp_path / "tiny"
    card = export(run, target, version="0", command="ecgsdk train", device="cpu", steps=3)
    assert card.name == "tiny"
    done = {
        "autoencoder": 4,
        "flow": 4,
        "rhythm": 4,
        "adversarial": 2,
        "distilled": 4,
        "tuned": 2,
        "ectopic": 2,
        "noise_floor": 2,
        "beat_flow": 2,
        "refined": 2,
        "reader": 2,
        "judged": 3,
    }
    assert card.training["steps_done"] == done
    assert card.data["records"] == 5
    assert (card.latent_shape[1], card.cut_from) == (TINY.samples // 8 + 4, (8, 15))
    generator = ecgsdk.load_generator(target)
    batch = next(generator.generate(ecgsdk.Cohort.from_groups(["norm", "lbbb"]), 3, seed=1))
    assert batch.signals.shape == (3, 12, 1000)
    assert batch.provenance.steps == 1
    with pytest.raises(WriteError, match="--force"):
        export(run, target, version="0")


def test_a_run_begins_with_a_model_and_ends_in_another(run, ptbxl, tmp_path):
    first = export(run, tmp_path / "first", version="1", command="ecgsdk train", steps=3)
    config = begun_config(str(tmp_path / "first"), {"ectopic_steps": 3, "checkpoint_seconds": 9})
    assert config == replace(TINY, ectopic_steps=3, checkpoint_seconds=9)
    folder = tmp_path / "further"
    with_an_early_beat(ptbxl, folder)
    begun = {"begin": str(tmp_path / "first"), "device": "cpu"}
    assert train(folder, ptbxl, stages=BEGUN_STAGES, config=config, **begun)
    assert train(folder, stages=BEGUN_STAGES, **begun)  # a run that is done stays as it is
    second = export(folder, tmp_path / "second", version="2")
    done = {name: steps for name, steps in first.training["steps_done"].items() if name != "autoencoder"}
    assert second.training["steps_done"] == done | {"ectopic": 3}
    told = second.training["begun_with"]
    assert (told["name"], told["version"], told["training"]["command"]) == ("first", "1", "ecgsdk train")
    for name, same in (("flow", True), ("rhythm", True), ("distilled", False)):
        assert (first.graphs[name] == second.graphs[name]) == same, name
    batch = next(ecgsdk.load_generator(tmp_path / "second").generate(ecgsdk.Cohort.from_groups(["norm"]), 2, seed=1))
    assert np.isfinite(batch.signals).all()


def test_a_rhythm_of_an_earlier_form_is_learned_anew(run, ptbxl, tmp_path, monkeypatch):
    export(run, tmp_path / "tiny", version="1")
    stored = begun.stored_weights
    monkeypatch.setattr(begun, "stored_weights", lambda graph: {k: v for k, v in stored(graph).items() if k != "unit"})
    config = begun_config(str(tmp_path / "tiny"), {"checkpoint_seconds": 9})
    assert (config.rhythm_steps, config.rhythm_width) == (TrainConfig().rhythm_steps, TINY.rhythm_width)
    begin_with(str(tmp_path / "tiny"), tmp_path / "new", TINY)
    assert not (tmp_path / "new" / "rhythm.pt").exists()
    assert train(tmp_path / "new", ptbxl, stages=["prepare", "rhythm"], config=TINY, device="cpu")
    learned = load_stage(tmp_path / "new", "rhythm")
    assert learned["step"] == TINY.rhythm_steps
    assert learned["optimizers"]


def test_early_beats_are_needed_to_learn_from_them(run, ptbxl, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    prepare(ptbxl, folder, TINY)
    (folder / "ectopic.pt").unlink()
    with pytest.raises(TrainingError, match="needs records with early beats and others; set ectopic_steps to 0"):
        train(folder, stages=["ectopic"], device="cpu")


def test_a_run_of_another_kind_is_not_begun_anew(run, tmp_path):
    export(run, tmp_path / "tiny", version="1")
    with pytest.raises(TrainingError, match=r"adversarial.pt belongs to another run; begin with .* in a new folder"):
        begin_with(str(tmp_path / "tiny"), run, TINY)
    with pytest.raises(TrainingError, match=r"does not have the networks that the settings say"):
        begin_with(str(tmp_path / "tiny"), tmp_path / "new", replace(TINY, flow_widths=(24, 24, 24)))
    assert not (tmp_path / "new").exists()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "begun.json").write_text("{")
    with pytest.raises(TrainingError, match=r"begun.json is damaged; begin again in a new folder"):
        begin_with(str(tmp_path / "tiny"), tmp_path / "damaged", TINY)


@pytest.mark.parametrize(
    ("stage", "part", "key", "why"),
    [
        ("noise_floor", "floor", "networks", r"noise_floor.pt belongs to other tuned networks; delete it"),
        ("beat_flow", "average", "average.source", r"beat_flow.pt belongs to other networks; delete it"),
        ("refined", "refiner", "floor.networks", r"refined.pt belongs to other networks; delete it"),
        ("refined", "refiner", "flow.last.bias", r"refined.pt belongs to other networks; delete it"),
        ("refined", "refiner", "mapping.stretch", r"judged.pt belongs to other networks; delete it"),
        ("refined", "refiner", "scatter.mapping.stretch", r"judged.pt belongs to other networks; delete it"),
        ("rhythm", "rhythm", "out.bias", r"judged.pt belongs to other networks; delete it"),
    ],
)
def test_what_was_learned_from_other_networks_is_refused(run, tmp_path, stage, part, key, why):
    folder = shutil.copytree(run, tmp_path / "run")
    stored = load_stage(folder, stage)
    stored["networks"][part][key] += 1
    torch.save(stored, folder / f"{stage}.pt")
    with pytest.raises(TrainingError, match=why):
        export(folder, tmp_path / "tiny", version="0")


def test_a_judge_that_was_stopped_is_refused_and_goes_on_to_the_end_of_an_unbroken_one(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "judged.pt").unlink()
    assert not train(folder, stages=["judged"], device="cpu", max_seconds=1e-6)
    with pytest.raises(TrainingError, match="the judged stage has not come to its end; run it again"):
        export(folder, tmp_path / "tiny", version="0")
    while not train(folder, stages=["judged"], device="cpu", max_seconds=1e-6):
        pass
    stopped, unbroken = (load_stage(path, "judged")["networks"]["judge"] for path in (folder, run))
    for name, weights in unbroken.items():
        assert torch.allclose(stopped[name].float(), weights.float(), atol=1e-6), name
    (folder / "refined.pt").unlink()
    card = export(folder, tmp_path / "tiny", version="0")
    assert not {"refiner", "judge"} & {*card.graphs}


def test_a_judge_of_other_networks_does_not_go_on(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    stored = load_stage(folder, "judged")
    stored["networks"]["judge"]["source"] += 1
    torch.save(stored, folder / "judged.pt")
    with pytest.raises(TrainingError, match=r"judged.pt belongs to other networks; delete it"):
        train(folder, stages=["judged"], device="cpu")


def test_averages_are_those_of_the_runs_networks_or_made_again(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "refined.pt").unlink()
    with np.load(folder / "averages.npz") as stored:
        values = dict(stored)
    np.savez(folder / "averages.npz", **values | {"source": values["source"] + 1, "made": values["made"] + 1})
    assert train(folder, stages=["refined"], device="cpu")
    again = load_averages(folder)
    assert np.array_equal(again.source, values["source"])
    assert np.allclose(again.made, values["made"], atol=1e-5)
    (folder / "refined.pt").unlink()
    stored = load_stage(folder, "beat_flow")
    stored["networks"]["average"]["average.source"] += 1
    torch.save(stored, folder / "beat_flow.pt")
    with pytest.raises(TrainingError, match=r"beat_flow.pt belongs to other networks; delete it"):
        train(folder, stages=["refined"], device="cpu")
    (folder / "averages.npz").write_bytes(b"PK")
    with pytest.raises(TrainingError, match=r"averages.npz is missing or damaged .* delete it and run the stage again"):
        train(folder, stages=["refined"], device="cpu")


def test_without_a_noise_floor_there_is_none_and_no_refiner(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    for name in ("noise_floor", "beat_flow", "refined", "reader", "judged"):
        (folder / f"{name}.pt").unlink()
    (folder / "config.json").write_text(json.dumps(replace(TINY, noise_floor_steps=0).as_dict()))
    left_out = ["noise_floor", "beat_flow", "refined", "reader", "judged"]
    assert train(folder, stages=left_out, device="cpu")
    assert not {f"{name}.pt" for name in left_out} & {path.name for path in folder.iterdir()}
    card = export(folder, tmp_path / "tiny", version="0")
    assert not {*left_out} & {*card.training["steps_done"]}
    assert not {"refiner", "judge"} & {*card.graphs}
    assert card.high_quality_candidates == 1
    made = ecgsdk.load_generator(tmp_path / "tiny").generate(ecgsdk.Cohort.from_groups(["norm"]), 1)
    assert np.isfinite(next(made).signals).all()


def test_one_step_is_the_distilled_flow_and_several_the_flow(run, tmp_path):
    export(run, tmp_path / "tiny", version="0", steps=3)
    generator = ecgsdk.load_generator(tmp_path / "tiny")
    cohort = ecgsdk.Cohort.from_groups(["norm"])
    assert quality_options(generator, "high") == {"steps": None, "candidates": generator.card.high_quality_candidates}
    assert generator.provenance(seed=1).steps == 1
    assert generator.provenance(seed=1, guidance=2.0).steps == 3
    made = {steps: next(generator.generate(cohort, 1, steps=steps)).signals for steps in (None, 1, 2, 3)}
    assert np.array_equal(made[None], made[1])
    assert not np.allclose(made[1], made[3], atol=1e-4)
    with pytest.raises(ConditionError, match="no guidance"):
        generator.generate(cohort, 1, steps=1, guidance=2.0)


def test_a_run_without_distillation_exports_the_flow_alone(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "distilled.pt").unlink()
    card = export(folder, tmp_path / "plain", version="0", steps=3)
    assert "distilled" not in card.graphs
    assert (card.steps, card.high_quality_steps, card.most_steps) == (3, None, 3)
    assert (card.latent_shape[1], card.cut_from) == (TINY.samples // 8, None)


def test_pairs_are_the_same_however_often_their_making_is_stopped(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    before = [path.read_bytes() for path in sorted((folder / "pairs").iterdir())]
    (folder / "pairs" / "0001.npz").unlink()
    assert not train(folder, stages=["pairs"], device="cpu", max_seconds=-1)
    with pytest.raises(TrainingError, match="run the pairs stage first"):
        train(folder, stages=["distilled"], device="cpu")
    assert train(folder, stages=["pairs"], device="cpu")
    assert [path.read_bytes() for path in sorted((folder / "pairs").iterdir())] == before


def test_pairs_of_an_earlier_flow_are_refused_and_made_again(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    before = [path.read_bytes() for path in sorted((folder / "pairs").iterdir())]
    stored = torch.load(folder / "flow.pt", weights_only=True)
    for weights in stored["networks"]["average"].values():
        weights.mul_(1.1)
    torch.save(stored, folder / "flow.pt")
    with pytest.raises(TrainingError, match=r"0000\.npz was made with an earlier flow; run the pairs stage again"):
        load_pairs(folder, TINY, torch.device("cpu"))
    assert train(folder, stages=["pairs"], device="cpu")
    assert capsys.readouterr().err.count("was made with an earlier flow and is made again\n") == len(before)
    assert all(path.read_bytes() != old for path, old in zip(sorted((folder / "pairs").iterdir()), before))
    load_pairs(folder, TINY, torch.device("cpu"))


def test_pairs_that_do_not_name_their_flow_are_taken_with_a_line(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    for path in (folder / "pairs").iterdir():
        with np.load(path) as stored:
            np.savez(path, **{name: stored[name] for name in stored.files if name != "flow"})
    before = [path.read_bytes() for path in sorted((folder / "pairs").iterdir())]
    assert train(folder, stages=["pairs"], device="cpu")
    assert [path.read_bytes() for path in sorted((folder / "pairs").iterdir())] == before
    load_pairs(folder, TINY, torch.device("cpu"))
    assert capsys.readouterr().err.count("does not say with which flow\n") == 1


def test_pairs_fill_two_files_at_least_of_which_the_last_is_kept_apart():
    assert [_files(replace(TINY, distil_pairs=n)) for n in (1, 2, 3, 4096, 4097)] == [2, 2, 3, 2, 3]


def test_pairs_lead_from_noise_to_where_the_flow_ends(run):
    with np.load(run / "pairs" / "0000.npz") as stored:
        pairs = {name: stored[name].astype(np.float32) for name in stored.files}
    flow = build_flow(TINY)
    load_average(flow, load_stage(run, "flow"), "flow")
    flow.eval()
    given = [torch.from_numpy(pairs[name]) for name in ("condition", "beats")]

    @torch.no_grad()
    def velocity(state, time):
        return flow(torch.from_numpy(state), torch.full((len(state),), time), *given).numpy()

    np.testing.assert_allclose(integrate(velocity, pairs["start"], 6), pairs["end"], atol=5e-3)


def test_beats_at_another_rate_keep_their_pattern():
    beats = np.full(48, np.nan, np.float32)
    beats[:5] = 0.3, 1.3, 1.9, 3.3, 4.3  # a premature beat and its pause
    slower = at_other_rate(beats, 1.5, 10.0)
    np.testing.assert_allclose(np.diff(slower)[:5], [1.5, 0.9, 2.1, 1.5, 1.5], rtol=1e-5)
    assert np.nanmax(slower) < 10 < np.nanmax(slower) + 2.1
    faster = at_other_rate(beats, 0.5, 10.0)
    np.testing.assert_allclose(np.diff(faster)[:5], [0.5, 0.3, 0.7, 0.5, 0.5], rtol=1e-5)
    assert np.nanmax(faster) > 9.3


def test_a_checkpoint_of_another_network_is_named(run, tmp_path):
    for name in ("train.npz", "validation.npz", "autoencoder.pt"):
        shutil.copy(run / name, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(replace(TINY, encoder_widths=(24, 24)).as_dict()))
    with pytest.raises(TrainingError, match=r"autoencoder checkpoint does not fit .* delete autoencoder\.pt"):
        train(tmp_path, stages=["flow"], device="cpu")


def test_other_settings_for_a_run_are_refused(run):
    with pytest.raises(TrainingError, match="has other settings"):
        train(run, config=CONFIGS["cpu"], device="cpu")


def test_a_missing_stage_is_named(run, tmp_path):
    for name in ("config.json", "train.npz", "validation.npz"):
        shutil.copy(run / name, tmp_path)
    with pytest.raises(TrainingError, match=r"autoencoder\.pt is missing; run the autoencoder stage first"):
        train(tmp_path, stages=["flow"], device="cpu")


def test_a_damaged_checkpoint_is_named(run, tmp_path):
    for name in ("config.json", "train.npz", "validation.npz"):
        shutil.copy(run / name, tmp_path)
    (tmp_path / "autoencoder.pt").write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"autoencoder\.pt is damaged"):
        train(tmp_path, stages=["flow"], device="cpu")


def test_settings_round_trip_and_unknown_ones_are_named():
    assert TrainConfig.from_dict(json.loads(json.dumps(TINY.as_dict()))) == TINY
    with pytest.raises(TrainingError, match="unknown setting 'stepz'"):
        TrainConfig.from_dict({"stepz": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flow_steps", "x"),
        ("flow_steps", 0),
        ("seed", None),
        ("flow_rate", -1.0),
        ("flow_widths", [8]),
        ("flow_batch", 1.5),
    ],
)
def test_settings_of_the_wrong_kind_are_named(name, value):
    with pytest.raises(TrainingError, match=f"setting {name} cannot be"):
        TrainConfig.from_dict({name: value})


def test_a_failed_start_leaves_no_settings_behind(tmp_path):
    with pytest.raises(TrainingError, match="needs the PTB-XL folder"):
        train(tmp_path / "new", config=TINY, device="cpu")
    with pytest.raises(TrainingError, match="is missing"):
        export(tmp_path / "new", tmp_path / "out", version="0")
    assert not (tmp_path / "new" / "config.json").exists()


def test_export_overwrites_nothing_but_a_model(run, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(WriteError, match="holds other files too"):
        export(run, tmp_path / "precious", version="0", overwrite=True)
    assert (tmp_path / "precious" / "thesis.txt").exists()


def test_broken_records_are_left_out():
    good = np.random.default_rng(0).normal(scale=0.2, size=(4, 8, 1000)).astype(np.float32)
    good[1, 3] = 0
    good[2, 0, 5] = np.nan
    beats = [np.arange(10.0)] * 3 + [np.arange(2.0)]
    assert fit_for_training(good, beats).tolist() == [True, False, False, False]


def test_rare_statements_weigh_more():
    statements = np.array([[True, False]] * 99 + [[True, True]])
    weights = sampling_weights(statements, 0.5)
    assert weights[0] == pytest.approx(1.0)
    assert weights[-1] == pytest.approx(10.0)


def test_each_part_of_a_condition_is_dropped_at_its_rate():
    torch.manual_seed(0)
    config = replace(TINY, drop_each=0.2, drop_all=0.0)
    width = len(config.statements) + 7
    condition, beats = drop_conditions(torch.ones(20_000, width), torch.ones(20_000, 4, 5), config)
    known = condition.mean(dim=0)
    statements = len(config.statements) + 1
    assert known[:statements] == pytest.approx(0.8, abs=0.02)
    assert known[statements : statements + 2] == pytest.approx(0.4, abs=0.02)
    assert known[statements + 2 :] == pytest.approx(0.8, abs=0.02)
    assert float(beats.mean()) == pytest.approx(0.9, abs=0.02)


def test_the_losses_tell_frequencies_apart():
    t = torch.arange(1000) / 100
    slow, fast = (torch.sin(2 * torch.pi * f * t).repeat(1, 8, 1) for f in (4.0, 40.0))
    assert float((low_pass(slow) - slow)[..., 20:-20].abs().max()) < 0.15
    assert float(low_pass(fast)[..., 20:-20].abs().max()) < 0.01
    assert float(spectral_loss(slow, slow)) == 0
    assert float(spectral_loss(slow, fast)) > 0.05


def test_decoders_keep_what_a_decimated_recording_holds_and_nothing_near_half_the_sampling_rate():
    time = torch.arange(1000) / 100
    waves = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (1.0, 20.0, 40.0, 49.5)])[None]
    limited = BandLimit()(waves)[..., 100:-100]
    gain = limited.std(-1) / waves[..., 100:-100].std(-1)
    assert torch.allclose(gain[0, :3], torch.ones(3), atol=0.01)
    assert gain[0, 3] < 0.03
    assert torch.allclose(limited[0, :3], waves[0, :3, 100:-100], atol=0.01)
