"""The benchmarks' arithmetic against known answers, and their interval measurements against annotations."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import Condition
from ecgsdk.generator import integrate

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SCRIPTS = ("conditions.py", "intervals_ludb.py", "speed.py", "steps.py", "utility.py")


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def test_auroc_of_known_answers():
    from metrics import auroc

    labels = np.array([0, 0, 1, 1])
    assert auroc(labels, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert auroc(labels, np.array([1, 2, 3, 4])) == 1.0
    assert auroc(labels, np.array([4, 3, 2, 1])) == 0.0
    assert auroc(labels, np.ones(4)) == 0.5
    assert math.isnan(auroc(np.ones(4), np.arange(4)))


def test_auroc_is_the_share_of_pairs_in_order():
    from metrics import auroc

    random = np.random.default_rng(0)
    labels, scores = random.random(60) < 0.3, random.integers(0, 12, 60)
    difference = scores[labels][:, None] - scores[~labels][None, :]
    assert auroc(labels, scores) == pytest.approx(((difference > 0) + 0.5 * (difference == 0)).mean())


def test_balanced_accuracy_counts_both_sides_alike():
    from metrics import balanced_accuracy, log_odds

    labels = np.array([1, 0, 0, 0], dtype=bool)
    assert balanced_accuracy(labels, np.array([1, 1, 0, 0])) == pytest.approx(5 / 6)
    assert math.isnan(balanced_accuracy(np.ones(3), np.ones(3)))
    assert log_odds(labels) == pytest.approx(-math.log(3))
    assert math.isfinite(log_odds(np.zeros(3)))


def test_labels_are_made_by_any_of_their_statements():
    from utility_data import LABELS, label_matrix

    labels = label_matrix([Condition(("AFLT", "MI")), Condition(("NORM", "SR")), Condition()])
    names = [[name for name, on in zip(LABELS, row) if on] for row in labels]
    assert names == [["AFIB/AFLT", "MI"], ["NORM"], []]


def test_rows_that_contradict_themselves_are_passed_over():
    from utility_data import choose_rows

    conditions = [
        Condition(("NORM", "SR"), age=40.0, sex="F"),
        Condition(("SBRAD", "STACH")),
        Condition(("NORM", "LAFB")),
        Condition(("LVH",), age=70.0),
    ]
    rows = choose_rows(conditions, 4, seed=0)
    assert rows.skipped == 2
    assert sorted(rows.positions) == [0, 3]
    assert set(rows.asked) == {Condition(("NORM",), None, 40.0, "F"), Condition(("LVH",), None, 70.0)}
    assert [set(conditions[i].statements) >= set(a.statements) for i, a in zip(rows.positions, rows.asked)] == [
        True
    ] * 2
    assert len(choose_rows(conditions, 1, seed=3).positions) == 1


def test_signals_stay_beside_their_conditions(ptbxl_folder):
    from utility_data import eight_leads

    from ecgsdk.leads import to_eight
    from ecgsdk.readers import read_ptbxl

    source = read_ptbxl(ptbxl_folder)
    order = [3, 0, 5, 1]
    whole = to_eight(source.read(range(6)))
    assert np.array_equal(eight_leads(source.select(order), "records"), whole[order])
    many = source.select([i % 6 for i in range(70)])
    assert np.array_equal(eight_leads(many, "records")[64:], whole[[64 % 6, 65 % 6, 0, 1, 2, 3]])


def test_perfect_scores_are_found_perfect():
    from utility import Scores, evaluated
    from utility_data import LABELS, TASKS

    truth = np.eye(len(LABELS), dtype=bool).repeat(3, axis=0)
    logits = np.where(truth, 5.0, -5.0)
    found = evaluated(truth, Scores(np.stack([logits, logits]), np.zeros(len(TASKS))))
    assert found["macro_auroc"] == {"mean": 1.0, "sd": 0.0}
    assert found["mean_balanced_accuracy"] == {"mean": 1.0}


def test_binary_tasks_leave_out_the_share_in_training():
    from utility import Scores, evaluated
    from utility_data import LABELS, TASKS

    names = list(LABELS)
    truth = np.zeros((4, len(names)), dtype=bool)
    truth[:2, names.index("NORM")] = truth[2:, names.index("CLBBB")] = True
    norm = np.array([0.99, 0.98, 0.8, 0.7])
    chance = np.full(truth.shape, 0.5)
    chance[:, names.index("NORM")], chance[:, names.index("CLBBB")] = norm, 1 - norm
    logits = np.log(chance / (1 - chance))[None]
    at_even = evaluated(truth, Scores(logits, np.zeros(len(TASKS))))["balanced_accuracy"]["lbbb"]
    at_shares = evaluated(truth, Scores(logits, np.full(len(TASKS), -math.log(19))))["balanced_accuracy"]["lbbb"]
    assert (at_even, at_shares) == (0.5, 1.0)


def test_scores_are_kept(tmp_path):
    from utility import Scores, cached

    scores = Scores(np.ones((1, 2, 15)), np.zeros(5))
    path = tmp_path / "cache" / "real.npz"
    assert cached(path, lambda: scores) is scores
    again = cached(path, lambda: pytest.fail("made again"))
    assert np.array_equal(again.logits, scores.logits)
    assert cached(None, lambda: scores) is scores


def test_the_cache_is_named_after_rows_and_labels(ptbxl_folder):
    from utility import fingerprint

    from ecgsdk.readers import read_ptbxl

    source = read_ptbxl(ptbxl_folder)
    others = replace(source, conditions=source.conditions[::-1])
    assert len({fingerprint(source, one) for one in (source, source.select(range(5)), others)}) == 3
    assert fingerprint(source, others) == fingerprint(read_ptbxl(ptbxl_folder, sampling_rate=500), others)


@pytest.fixture
def rows():
    from utility_data import Rows

    asked = (Condition(("NORM",), age=40.0), Condition(("LVH", "LAFB")), Condition())
    return Rows(np.arange(3), asked, skipped=0)


@pytest.fixture
def synthetic_file(rows, tmp_path):
    from utility import synthetic_source

    path = tmp_path / "synthetic.h5"
    assert len(synthetic_source(path, rows, model=None, seed=3, steps=2, guidance=1.0)) == 3
    return path


def test_a_synthetic_file_is_taken_again(synthetic_file, rows):
    from utility import synthetic_source

    before = synthetic_file.read_bytes()
    source = synthetic_source(synthetic_file, rows, model=None, seed=3, steps=2, guidance=1.0)
    assert [condition.statements for condition in source.conditions] == [("NORM",), ("LVH", "LAFB"), ()]
    assert synthetic_file.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "asked", "said"),
    [
        ({"seed": 4}, None, "its seed is 3, not 4"),
        ({"steps": 3}, None, "its steps is 2, not 3"),
        ({"guidance": 1.5}, None, "its guidance is 1.0, not 1.5"),
        ({}, [0, 1], "it holds 3 records, not 2"),
        ({}, [0, 2, 1], "record 1 has the statements LVH+LAFB, not "),
    ],
)
def test_a_synthetic_file_of_other_records_is_refused(synthetic_file, rows, settings, asked, said):
    from utility import synthetic_source

    if asked is not None:
        rows = replace(rows, asked=tuple(rows.asked[i] for i in asked))
    with pytest.raises(click.ClickException, match=re.escape(f"synthetic.h5 is not what would be written: {said}")):
        synthetic_source(synthetic_file, rows, **{"model": None, "seed": 3, "steps": 2, "guidance": 1.0, **settings})


def test_another_models_and_real_records_are_told_apart(ptbxl_folder, provenance):
    from utility import difference

    from ecgsdk.readers import read_ptbxl

    real = read_ptbxl(ptbxl_folder)
    made = replace(real, provenance=provenance)
    assert difference(real, real.conditions, provenance) == "it holds real ECGs"
    assert difference(made, real.conditions, provenance) == ""
    assert "model_sha256" in difference(made, real.conditions, replace(provenance, model_sha256="cd"))


@pytest.fixture
def one_thread():
    """PyTorch on one thread: several that wait for each other take minutes where other work has the cores."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.torch
@pytest.mark.usefixtures("one_thread")
def test_the_network_learns_what_is_easy():
    from network import parameters, predict, train

    random = np.random.default_rng(0)
    labels = random.random((256, 2)) < 0.5
    signals = random.normal(scale=0.3, size=(256, 8, 200)).astype(np.float32)
    signals[:, 0] += np.where(labels[:, :1], np.sin(np.arange(200) / 2), 0)
    signals[:, 5] += np.where(labels[:, 1:], np.sin(np.arange(200) / 5), 0)
    logits = predict(train(signals, labels, epochs=10, seed=0), signals)
    assert ((logits > 0) == labels).mean() > 0.95
    again = predict(train(signals, labels, epochs=1, seed=1), signals)
    assert np.array_equal(again, predict(train(signals, labels, epochs=1, seed=1), signals))
    assert 300_000 < parameters(8, 15) < 600_000


def test_medians_pass_over_what_is_unknown():
    from conditions import medians

    values = {"heart_rate": np.array([60.0, 70.0, 90.0]), "pr_ms": np.array([math.nan, 150.0, 160.0])}
    found = medians({**values, "rr_variation": values["heart_rate"], "qrs_ms": np.full(3, math.nan)})
    assert (found["records"], found["heart_rate"], found["pr_ms"]) == (3, 70, 155)
    assert math.isnan(found["qrs_ms"])


def test_beats_of_an_independent_detector_are_measured(real_batch):
    pytest.importorskip("sleepecg")
    from conditions import detect_beats, measured
    from tqdm import tqdm

    with tqdm(disable=True) as progress:
        found = measured([real_batch, real_batch], progress)
    assert found["heart_rate"].shape == (12,)
    beats = detect_beats(real_batch.signals[0], 100)
    assert found["heart_rate"][0] == pytest.approx(60 / np.diff(beats).mean())
    assert not len(detect_beats(np.zeros((12, 1000)), 100))


def test_bounds_say_what_is_met():
    from conditions import bounds

    row = {"heart_rate": 62.0, "rr_variation": 0.03, "qrs_ms": 90.0, "pr_ms": 160.0}
    drawn = {
        "norm": row,
        "afib": {**row, "rr_variation": 0.1},
        "1avb": {**row, "pr_ms": 199.0},
        "lbbb": {**row, "qrs_ms": 140.0},
        "rbbb": {**row, "qrs_ms": 115.0},
        "lvh": row,
    }
    checks = bounds({"norm": {60.0: row}}, drawn)
    assert [check["met"] for check in checks] == [True, True, True, True, False]
    unmeasured = {"norm": {60.0: row, 80.0: {**row, "heart_rate": math.nan}}}
    assert not bounds(unmeasured, drawn)[0]["met"]
    nothing = {name: {**values, "pr_ms": math.nan} for name, values in drawn.items()}
    assert not bounds({"norm": {60.0: row}}, nothing)[-1]["met"]


@dataclass
class Decay:
    """A generator whose flow decays exponentially: what each integrator makes of it is known."""

    integrate: Callable = integrate
    card = SimpleNamespace(sampling_rates=(100.0,))

    def generate(self, cohort, n, *, seed, steps):
        start = np.random.default_rng(seed).normal(size=(n, 12, 1000)).astype(np.float32)
        conditions = tuple(cohort.condition(i) for i in range(n))
        yield ECGBatch(self.integrate(lambda x, _: -x, start, steps), 100.0, conditions, tuple(map(str, range(n))))


def test_the_integrators_are_compared(monkeypatch, tmp_path):
    import steps

    assert steps.euler(lambda x, _: x, np.ones(1, np.float32), 4) == pytest.approx(1.25**4)
    path = tmp_path / "steps.json"
    monkeypatch.setitem(vars(ecgsdk), "load_generator", lambda model: Decay())
    result = CliRunner().invoke(steps.main, ["-n", "2", "--json", str(path)])
    head, _, *lines = result.output.splitlines()
    assert head == "| integrator | evaluations | error | < 0.5 Hz | 0.5–5 Hz | 5–45 Hz |"
    assert [line.split(" | ")[0] for line in lines] == ["| ours"] * 6 + ["| Euler, even steps"] * 6
    errors = {(row["integrator"], row["evaluations"]): row["error"] for row in json.loads(path.read_text())["rows"]}
    assert errors["Euler, even steps", 10] == pytest.approx(1 - math.e * 0.9**10, rel=0.01)
    assert errors["ours", 10] < errors["Euler, even steps", 10] / 4


def test_tables_and_files_say_what_is_unknown(tmp_path):
    from tables import markdown, write_json

    text = markdown(("group", "QRS"), [("norm", 92.0), ("afib", math.nan), ("lvh", True)])
    assert text.splitlines() == ["| group | QRS |", "| --- | ---: |", "| norm | 92 |", "| afib | – |", "| lvh | yes |"]
    path = tmp_path / "figures.json"
    write_json(path, {60.0: [math.nan, 1.5]})
    assert json.loads(path.read_text()) == {"60.0": [None, 1.5]}


def test_size_of_an_environment_leaves_pip_out(tmp_path):
    from speed import greatest_resident_size, installed_size

    packages = tmp_path / "lib" / "python3.12" / "site-packages"
    for name, size in (("numpy/core.so", 3_000_000), ("pip/main.py", 9_000_000), ("one.py", 500_000)):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_bytes(bytes(size))
    assert installed_size(tmp_path) == 3.5
    assert 10e6 < greatest_resident_size() < 20e9


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_help(name):
    done = subprocess.run([sys.executable, str(FOLDER / name), "--help"], capture_output=True, text=True, check=True)
    assert "--json" in done.stdout


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_every_file_is_short_and_shows_how_to_use_it(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    assert "\n    python benchmarks/" in text or "Example (Python):" in text
