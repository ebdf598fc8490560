"""The command: what it hands to the library, what it prints, and how it ends on a user's mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition
from ecgsdk_cli.main import main


@dataclass
class FakeCard:
    name: str = "small"
    version: str = "1.0"
    description: str = "a model for tests"
    sampling_rates: tuple[float, ...] = (100.0, 500.0)

    def as_dict(self):
        return {
            "name": self.name,
            "sampling_rates": list(self.sampling_rates),
            "data": {"name": "PTB-XL", "licence": "CC BY 4.0"},
            "credit": None,
            "histogram": list(range(100)),
        }


@dataclass
class FakeGenerator:
    """Flat ECGs; what was asked of it is kept in `asked`."""

    card: FakeCard = field(default_factory=FakeCard)
    accompanies: bool = True
    device: str = "cpu"
    sampling_rates: tuple[float, ...] = (100.0, 500.0)
    asked: dict = field(default_factory=dict)

    @property
    def name(self):
        return self.card.name

    def provenance(self, *, seed, steps, guidance, accompanied=False):
        settings = (seed, steps or 4, guidance or 1.0)
        return Provenance(self.card.name, "ab12", ecgsdk.__version__, *settings, accompanied=accompanied)

    def generate(self, cohort, n, *, seed, start, batch_size=32, **rest):
        self.asked.update(seed=seed, start=start, n=n, batch_size=batch_size, **rest)
        for first in range(start, start + n, batch_size):
            indices = range(first, min(first + batch_size, start + n))
            yield ECGBatch(
                np.zeros((len(indices), 12, 10), np.float32),
                rest["sampling_rate"],
                tuple(cohort.condition(i) for i in indices),
                tuple(str(i) for i in indices),
                self.provenance(**{name: rest[name] for name in rest if name != "sampling_rate"}, seed=seed),
            )


@dataclass
class FakeWriter:
    """Keeps the records it is given."""

    opened: dict = field(default_factory=dict)
    records: list[tuple[str, Condition]] = field(default_factory=list)

    def open(self, path, format=None, **rest):
        self.opened.update(path=path, format=format, **rest)
        return self

    @property
    def header(self):
        return SimpleNamespace(sampling_rate=self.opened["sampling_rate"])

    def write(self, batch):
        self.records += zip(batch.identifiers, batch.conditions)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


@dataclass
class Library:
    generator: FakeGenerator = field(default_factory=FakeGenerator)
    writer: FakeWriter = field(default_factory=FakeWriter)
    loaded: dict = field(default_factory=dict)

    def load_generator(self, model=None, **rest):
        self.loaded.update(model=model, **rest)
        return self.generator


@pytest.fixture
def library(monkeypatch):
    fake = Library()
    # The package's namespace, not its attributes: looking the real ones up would import them.
    monkeypatch.setitem(vars(ecgsdk), "load_generator", fake.load_generator)
    monkeypatch.setitem(vars(ecgsdk), "open_writer", fake.writer.open)
    return fake


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fails(monkeypatch, name, error):
    def raising(*_, **__):
        raise error

    monkeypatch.setitem(vars(ecgsdk), name, raising)


def test_a_group(library):
    result = run("generate", "--group", "afib", "-n", 5, "--seed", 7, "-o", "afib.h5", "--batch-size", 2)
    assert result.exit_code == 0, result.output
    assert library.writer.records == [(str(i), Condition(("AFIB",))) for i in range(5)]
    assert library.loaded == {"model": None, "device": "auto", "threads": None}
    assert library.generator.asked == {
        "seed": 7, "start": 0, "n": 5, "batch_size": 2, "sampling_rate": 100.0, "steps": None, "guidance": None,
    }  # fmt: skip
    opened = library.writer.opened
    assert (opened["path"], opened["format"], opened["total"], opened["overwrite"]) == ("afib.h5", None, 5, False)
    assert opened["provenance"].seed == 7
    assert result.stdout.startswith("wrote 5 ECGs to afib.h5 in ")
    assert result.stdout.endswith("with small on cpu, seed 7\n")
    assert result.stderr == ""


def test_all_groups_take_turns_and_one_a_group_is_the_default(library):
    assert run("generate", "--groups", "all", "-o", "x.h5").exit_code == 0
    assert [condition.groups()[0] for _, condition in library.writer.records] == list(ecgsdk.GROUPS)


def test_some_groups_with_a_shared_request(library):
    assert run("generate", "--groups", "norm, lvh", "--heart-rate", 60, "-n", 3, "-o", "x.h5").exit_code == 0
    assert [condition for _, condition in library.writer.records] == [
        Condition(("NORM",), 60.0),
        Condition(("LVH",), 60.0),
        Condition(("NORM",), 60.0),
    ]


def test_statements_with_spans(library):
    result = run(
        "generate", "--statements", "CLBBB,MI", "--heart-rate", "50:70", "--age", "60:85", "--sex", "F",
        "-n", 2, "-o", "lbbb/", "--format", "wfdb", "--model", "folder", "--device", "cpu", "--threads", 1,
        "--steps", 2, "--guidance", 1.5, "--sampling-rate", 500, "--start", 3, "--force",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    wanted = Condition(("CLBBB", "MI"), (50.0, 70.0), (60.0, 85.0), "F")
    assert library.writer.records == [("3", wanted), ("4", wanted)]
    assert library.loaded == {"model": "folder", "device": "cpu", "threads": 1}
    asked = library.generator.asked
    assert (asked["steps"], asked["guidance"], asked["sampling_rate"], asked["start"]) == (2, 1.5, 500.0, 3)
    assert (library.writer.opened["format"], library.writer.opened["overwrite"]) == ("wfdb", True)


def test_rows_of_a_file(library, tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("statements,age\nNORM,30\nLVH,\nAFIB,80\n")
    assert run("generate", "--conditions", path, "-o", "x.npz", "--start", 1).exit_code == 0
    assert library.writer.records == [("1", Condition(("LVH",))), ("2", Condition(("AFIB",), age=80.0))]
    result = run("generate", "--conditions", path, "-o", "x.npz", "-n", 4)
    assert result.exit_code == 1
    assert result.stderr == "error: 4 records asked for from record 0 on, but the cohort has 3 in all\n"


def test_accompanying_statements(library):
    assert run("generate", "--group", "lvh", "--accompanied", "-o", "x.h5").exit_code == 0
    assert library.generator.asked["accompanied"] is True
    result = run("generate", "--accompanied", "-n", 2, "-o", "x.h5", "--json", "--age", 50)
    assert json.loads(result.stdout)["accompanied"] is True
    assert library.writer.records[1:] == [(str(i), Condition(age=50.0)) for i in range(2)]


def test_a_generator_that_does_not_know_them_is_asked_for_none(library):
    library.generator.accompanies = False
    result = run("generate", "--group", "lvh", "--accompanied", "-o", "x.h5")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "small does not know which statements occur together; leave --accompanied out" in result.stderr
    assert library.writer.records == []


def test_the_summary_as_json(library):
    result = run("generate", "--group", "norm", "-o", "x.h5", "--seed", 3, "--json", "--quiet")
    facts = json.loads(result.stdout)
    assert facts.pop("seconds") >= 0
    assert facts.pop("records_per_second") > 0
    assert facts == {
        "records": 1, "start": 0, "output": "x.h5", "sampling_rate": 100.0, "device": "cpu", "model": "small",
        "model_sha256": "ab12", "version": ecgsdk.__version__, "seed": 3, "steps": 4, "guidance": 1.0,
    }  # fmt: skip


def test_a_seed_is_drawn_and_printed(library):
    result = run("generate", "--group", "norm", "-o", "x.h5")
    assert result.stdout.endswith(f"seed {library.generator.asked['seed']}\n")
    first = library.generator.asked["seed"]
    run("generate", "--group", "norm", "-o", "x.h5")
    assert library.generator.asked["seed"] != first


def test_quiet_says_nothing(library):
    result = run("generate", "--group", "norm", "-o", "x.h5", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to make by one of --group, --groups, --statements, --conditions; none was given"),
        (["--group", "norm", "--statements", "LVH"], "not --group and --statements"),
        (["--conditions", "x.csv", "--sex", "F"], "--heart-rate, --age and --sex belong into"),
        (["--group", "norm", "--heart-rate", "fast"], "neither a number nor a span"),
        (["--groups", ","], "at least one name"),
        (["--group", "norm", "-n", "0"], "not in the range"),
        (["--group", "norm", "--device", "tpu"], "'tpu' is not one of"),
        (["--group", "norm", "--colour", "red"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_code_2(library, arguments, said):
    result = run("generate", *arguments, "-o", "x.h5")
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert library.writer.records == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--group", "lbb"], "unknown group 'lbb'; did you mean lbbb"),
        (["--group", "all"], "unknown group 'all'"),
        (["--statements", "CLBB"], "unknown statement 'CLBB'; did you mean CLBBB"),
        (["--statements", "NORM,LVH"], "NORM and LVH contradict each other"),
        (["--group", "norm", "--heart-rate", "90:60"], "not a rising span"),
        (["--conditions", "nowhere.csv"], "cannot read nowhere.csv"),
    ],
)
def test_bad_input_ends_in_one_line_with_code_1(library, arguments, said):
    result = run("generate", *arguments, "-o", "x.h5")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert library.writer.records == []


@pytest.mark.parametrize(
    "error",
    [ecgsdk.ModelError("card.json is damaged:\nsha256 ab"), ecgsdk.RuntimeSetupError("no CUDA")],
)
def test_every_error_of_the_library_ends_in_one_line(library, monkeypatch, error):
    fails(monkeypatch, "load_generator", error)
    result = run("generate", "--group", "norm", "-o", "x.h5")
    assert (result.exit_code, result.stderr) == (1, f"error: {' '.join(str(error).split())}\n")


def test_an_interruption_ends_in_one_line(library, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(library.writer, "write", interrupted)
    result = run("generate", "--group", "norm", "-o", "x.h5")
    assert (result.exit_code, result.stderr) == (1, "error: interrupted; nothing was written to x.h5\n")
    fails(monkeypatch, "load_generator", KeyboardInterrupt())
    result = run("generate", "--group", "norm", "-o", "x.h5")
    assert (result.exit_code, result.stderr) == (1, "error: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
def test_a_closed_pipe_is_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "ecgsdk_cli.main", "completion", "zsh"], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert result.stderr == b""


def test_the_list_of_models(monkeypatch):
    monkeypatch.setitem(vars(ecgsdk), "list_models", lambda: (FakeCard(), FakeCard("a-longer-name", "2.1", "another")))
    assert run("models").stdout == "small          1.0  a model for tests\na-longer-name  2.1  another\n"
    assert [card["name"] for card in json.loads(run("models", "--json").stdout)] == ["small", "a-longer-name"]


def test_no_models(monkeypatch):
    monkeypatch.setitem(vars(ecgsdk), "list_models", lambda: ())
    result = run("models")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no models installed" in result.stderr


def test_a_model(monkeypatch):
    class Model:
        card = FakeCard()

    monkeypatch.setitem(vars(ecgsdk), "find_model", lambda name, kind: Model())
    assert run("models", "show", "small").stdout.splitlines() == [
        "name            small",
        "sampling rates  100.0, 500.0",
        "data",
        "  name     PTB-XL",
        "  licence  CC BY 4.0",
        "credit          -",
        "histogram       (100 values, see --json)",
    ]
    assert json.loads(run("models", "show", "small", "--json").stdout) == FakeCard().as_dict()


def test_an_unknown_model(monkeypatch):
    fails(monkeypatch, "find_model", ecgsdk.ModelError("unknown model 'smal'; did you mean small?"))
    result = run("models", "show", "smal")
    assert (result.exit_code, result.stderr) == (1, "error: unknown model 'smal'; did you mean small?\n")


def test_plot(monkeypatch):
    import ecgsdk.plotting

    drawn = []
    monkeypatch.setattr(ecgsdk.plotting, "plot_file", lambda *args, tell, **rest: drawn.append((*args, rest)))
    assert run("plot", "afib.h5", "-o", "afib.svg").stdout == "drew record 0 of afib.h5 to afib.svg\n"
    result = run("plot", "afib.h5", "--record", 4, "--record", 2, "-o", "x.pdf", "--force")
    assert result.stdout == "drew records 4, 2 of afib.h5 to x.pdf\n"
    run("plot", "afib.h5", "-o", "y.png", "--leads", "i,V1,avf", "--seconds", 2.5, "--columns", 2)
    asked = {"leads": ["I", "V1", "aVF"], "seconds": 2.5, "columns": 2}
    assert drawn == [
        ("afib.h5", "afib.svg", (0,), {"overwrite": False}),
        ("afib.h5", "x.pdf", (4, 2), {"overwrite": True}),
        ("afib.h5", "y.png", (0,), {**asked, "overwrite": False}),
    ]


@pytest.mark.parametrize("text", ["²", "1-99999999999", "8-1", "", "1-", "1-2-3", "٣", "1000"])
def test_what_is_no_list_of_folds_is_refused(text):
    result = run("gallery", "ptb-xl", "-o", "x.html", "--folds", text)
    assert (result.exit_code, f"{text!r} is neither a fold nor a span of folds" in result.stderr) == (2, True)


def test_folds_and_spans_of_them():
    from ecgsdk_cli.options import FoldList

    assert FoldList().convert(" 1-3, 10,2", None, None) == (1, 2, 3, 10)
