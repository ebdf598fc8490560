"""The benchmarks' arithmetic against known answers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import click
import numpy as np
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk.batch import ECGBatch
from ecgsdk.flow import integrate
from ecgsdk.models import find_model

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SCRIPTS = (
    "conditions.py",
    "gpu.py",
    "intervals_ludb.py",
    "more_records.py",
    "overfitted.py",
    "peers.py",
    "speed.py",
    "steps.py",
)


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


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
    card = SimpleNamespace(decoder_rate=100.0)

    def generate(self, cohort, n, *, seed, steps, sampling_rate):
        start = np.random.default_rng(seed).normal(size=(n, 12, 1000)).astype(np.float32)
        conditions = tuple(cohort.condition(i) for i in range(n))
        yield ECGBatch(
            self.integrate(lambda x, _: -x, start, steps), sampling_rate, conditions, tuple(map(str, range(n)))
        )


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


class Counting:
    """Remembers how many ECGs and labels it was given, and guesses."""

    seen: ClassVar[list[tuple[int, int, int]]] = []

    def fit(self, signals: np.ndarray, labels: np.ndarray, *, seed: int) -> None:
        self.seen.append((len(signals), int(labels.sum()), seed))
        self.labels = labels.shape[1]

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        return np.full((len(signals), self.labels), 0.5)


def test_more_records_than_real_ones_repeat_their_conditions(ptbxl_folder, tmp_path):
    import more_records

    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.settings import Settings
    from ecgsdk.validation.utility.trainings import Trainer

    settings = Settings(str(ptbxl_folder), real_test=str(ptbxl_folder), seeds=2)
    generator, trainer = ecgsdk.load_generator(), Trainer("counting", "1", Counting)
    numbers = {"real": [6], "synthetic": [3, 12]}
    found = more_records.compared(settings, trainer, generator, numbers, Cache(tmp_path))
    assert list(found) == ["6 real", "3 synthetic", "12 synthetic"]
    assert found["12 synthetic"]["macro-AUROC"] == 0.5
    assert [(n, seed) for n, _, seed in Counting.seen] == [(n, seed) for n in (6, 3, 12) for seed in (0, 1)]
    assert Counting.seen[4][1] == 2 * Counting.seen[0][1]
    with pytest.raises(click.ClickException, match="there are 6 real ECGs to train on; ask for no more"):
        more_records.compared(settings, trainer, generator, {"real": [7], "synthetic": [3]}, Cache(tmp_path))


def test_what_more_records_teach_stands_beside_the_first(ptbxl_folder, tmp_path):
    from more_records import main, table

    found = {
        "100 real": {"macro-AUROC": 0.8},
        "100 synthetic": {"macro-AUROC": 0.6},
        "200 synthetic": {"macro-AUROC": 0.9},
    }
    assert table(found).splitlines()[::2] == [
        "|  | 100 real | 100 synthetic | % | 200 synthetic | % |",
        "| macro-AUROC | 0.8 | 0.6 | 75 | 0.9 | 112.5 |",
    ]
    common = [str(ptbxl_folder), "--out", str(tmp_path)]
    assert CliRunner().invoke(main, [*common, "--synthetic", "many"]).exit_code == 2
    pytest.importorskip("ecgsdk_classifiers")
    pytest.importorskip("sklearn")
    untested = CliRunner().invoke(main, [*common, "--classifier", "gradient-boosting"])
    assert (untested.exit_code, len(untested.output.splitlines())) == (1, 1)
    assert "6 records to train and 0 to test on" in untested.output


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


def test_operations_are_those_of_products_and_convolutions():
    onnx = pytest.importorskip("onnx")
    from operations import graph_operations

    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[records, 3, 10] x, float[5, 3, 3] w, float[10, 4] m) => (float[records, 5, 4] y) {
            made = Conv <pads = [1, 1]> (x, w)
            active = Relu (made)
            y = MatMul (active, m)
        }
    """
    graph = onnx.parser.parse_model(text).SerializeToString()
    assert graph_operations(graph) == 2 * 5 * 3 * 3 * 10 + 2 * 5 * 10 * 4


def test_operations_of_the_shipped_model_are_counted():
    pytest.importorskip("onnx")
    from operations import record_operations

    model = find_model()
    one, two = (record_operations(model, steps=n, guidance=1.0, sampling_rate=100.0) for n in (2, 3))
    decoder = record_operations(model, steps=0, guidance=1.0, sampling_rate=100.0)
    assert two - one == pytest.approx((one - decoder) / 2)
    assert 100e6 < decoder < 300e6  # a Bi-LSTM, 14 convolutions and the rhythm


def test_figures_of_speed_stand_beside_their_bounds():
    from speed import table

    figures = {"help_s": 0.2, "written_per_s_100": 450.0, "made_per_s_100": 500.0, "written_per_s_500": 200.0,
               "writer_factor_100_hdf5": 1.1, "peak_memory_mb_100_2000": 180.0}  # fmt: skip
    _, _, *lines = table(figures).splitlines()
    assert lines == [
        "| `ecgsdk --help` (s) | 0.2 | ≤ 0.15 | **no** |",
        "| records/s made and written to HDF5, 100 Hz | 450 | ≥ 400 | yes |",
        "| records/s made, 100 Hz | 500 |  |  |",
        "| records/s made and written to HDF5, 500 Hz | 200 | ≥ 250 | **no** |",
        "| made and written / made, 100 Hz, hdf5 | 1.1 | ≤ 1.25 | yes |",
        "| peak memory, 2000 records, 100 Hz (MB) | 180 | ≤ 200 | yes |",
    ]


def test_peers_stand_below_ours_with_the_ratios():
    from peers import Row, table

    ours = Row("ecgsdk 1.0", "12 leads × 10 s, 100 Hz", 100.0, 180.4, 0.25, 150.0, 50.0, {"8": 200.0, "64": 400.0},
               {"HDF5": 350.0})  # fmt: skip
    peer = Row("slow 2.0", "8 leads × 10 s, 500 Hz", 500.0, 1073.4, 1.0, "fails", 10.0, {"8": 20.0},
               {"CSV": 7.04, "NPY": "fails"})  # fmt: skip
    absent = Row("absent 3.0", installed_mb=2.0, first_s="needs a download")
    _, _, *lines = table([ours, peer, absent]).splitlines()
    assert lines == [
        "| ecgsdk 1.0 | 12 leads × 10 s, 100 Hz | 180 | 0.25 | 150 | 50 | 400 (64) | 350 HDF5 |",
        "| slow 2.0 | 8 leads × 10 s, 500 Hz | 1070 | 1 | fails | 10 | 20 (8) | 7.04 CSV, fails NPY |",
        "| absent 3.0 | – | 2 | needs a download | – | – | – | – |",
        "| ecgsdk 1.0 / slow 2.0 | – | 0.17 | 0.25 | – | 5 | 20 | 50 |",
        "| ecgsdk 1.0 / absent 3.0 | – | 90 | – | – | – | – | – |",
    ]


def test_a_peer_is_compared_with_our_row_of_the_nearest_sampling_rate():
    from peers import Row, table

    ours = [Row(f"ecgsdk 1.0, {rate} Hz", sampling_rate=rate, single_per_s=rate / 10) for rate in (100, 500)]
    last = table([*ours, Row("peer", sampling_rate=500, single_per_s=10.0)]).splitlines()[-1]
    assert last.startswith("| ecgsdk 1.0, 500 Hz / peer |")
    assert " 5 |" in last


def test_what_a_peer_prints_is_read_or_says_what_is_missing():
    import click
    from peers import MissingError, answer, fastest_of, significant

    assert answer('a peer\'s own words\n{"per_s": {"1": 2.5}}\n') == {"per_s": {"1": 2.5}}
    with pytest.raises(MissingError, match="needs a download"):
        answer('{"missing": "needs a download"}')
    with pytest.raises(click.ClickException, match="no figures"):
        answer("")
    assert fastest_of([{"1": 2.0, "8": 5.0}, {"1": 3.0, "8": 4.0}]) == {"1": 3.0, "8": 5.0}
    assert [significant(value) for value in (1073.4, 0.2449, "fails", None)] == ["1070", "0.245", "fails", None]


def test_versions_are_pinned_and_commands_shown():
    from peers import PEERS, notes
    from peers_inside import TOOLS

    assert [peer.name for peer in PEERS] == list(TOOLS)
    assert all("==" in text for peer in PEERS[1:] for part in peer.requirements("") for text in part)
    shown = "\n".join(notes(PEERS, "https://example.org/whl"))
    assert "`pip install torch==2.13.0 --index-url https://example.org/whl`, then `pip install 'ecgen==1.1.0'`" in shown
    assert "`pip install '.[cpu]'`" in shown


def test_a_tool_without_weights_says_so(capsys):
    from peers_inside import main

    main(["ecgen", "write", "--format=NPY"])
    assert json.loads(capsys.readouterr().out) == {"missing": "needs a download"}


def test_only_the_weights_that_run_are_converted():
    from peers_inside import converted

    weights = {"fc1.bias": 1, "ppfilter1.bias": 2, "deconv_1.Conv1dTrans.bias": 3, "conv_1.bias": 4}
    assert converted(weights) == {"deconv_1.conv1d_transpose.bias": 3, "conv_1.bias": 4}


def test_writing_is_measured_over_the_time_asked_for():
    from peers_inside import grown, per_second

    assert grown(lambda n: 0.5 + n / 100, 10) == (1368, pytest.approx(14.18))
    sizes = []
    assert per_second(sizes.append, 8, 0) > 0
    assert sizes == [8, 8]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_memory_is_that_of_all_processes():
    from peers import peak_memory

    held = "import sys, time; held = b'1' * 30_000_000; time.sleep(float(sys.argv[1]))"
    parent = (
        f"import subprocess, sys; held = b'1' * 30_000_000; subprocess.run([sys.executable, '-c', {held!r}, '0.3'])"
    )
    assert 60 < peak_memory([sys.executable, "-c", parent]) < 120


def test_a_part_that_fails_on_a_gpu_is_told_and_the_others_go_on(tmp_path, capsys):
    from gpu import Run

    run = Run(None, "cpu", [2], 4, tmp_path / "log.txt", ends=math.inf)
    for name, work in (("broken", lambda: 1 / 0), ("whole", lambda: {"per_s": 3.0})):
        run.part(name, work)
    run.ends = -math.inf
    run.part("late", lambda: 1)
    assert run.figures == {"whole": {"per_s": 3.0}}
    assert run.errors == {"broken": "ZeroDivisionError: division by zero", "late": "left out: no time left"}
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_whole_generation_is_timed_by_its_stages(tmp_path):
    from gpu import Run, made, unbound, written

    run = Run(None, "cpu", [4], 8, tmp_path / "log.txt", ends=math.inf)
    for figures in (made(run, 4), unbound(run, 4), written(run, 4, 100.0)):
        assert figures["per_s"] == pytest.approx(8 / figures["wall_s"])
        assert 0 < figures["drawn_thread_s"] < 2 * figures["wall_s"]
        assert 0 < figures["graphs_thread_s"] < 2 * figures["wall_s"]


def test_a_graph_alone_is_timed_in_three_ways_and_placed(tmp_path):
    from gpu_graphs import alone, placed

    graph, log = find_model().graph("rhythm"), tmp_path / "log.txt"
    log.write_text("")
    (figures,) = alone("rhythm", graph, "cpu", [2]).values()
    assert set(figures) == {"first_run_s", "kept_per_s", "bound_per_s", "plain_per_s"}
    assert set(placed(graph, "cpu", log)) == {"CPUExecutionProvider"}


def test_without_cuda_one_line_says_so(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    from gpu import main

    ended = CliRunner().invoke(main, ["--log", str(tmp_path / "log.txt")])
    assert ended.exit_code == 1
    assert ended.output.startswith("Error: --device cuda: the installed ONNX Runtime has no CUDA")
    assert len(ended.output.splitlines()) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_help(name):
    done = subprocess.run([sys.executable, str(FOLDER / name), "--help"], capture_output=True, text=True, check=True)
    assert "--json" in done.stdout


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_every_file_is_short_and_shows_how_to_use_it(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    assert "\n    python benchmarks/" in text or "Example (Python):" in text
