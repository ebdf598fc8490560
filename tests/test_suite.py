"""The whole suite on real ECGs: a report that can be read, resumed, and held against bounds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk.conditions import Condition
from ecgsdk.errors import WriteError
from ecgsdk.hookspecs import hookimpl
from ecgsdk.leads import LEADS
from ecgsdk.plugins import Plugins
from ecgsdk.validation import Cache, ReportFolder, Settings, suite, validate
from ecgsdk.validation.report.figures import check_bound
from ecgsdk.validation.utility.roster import call_roster
from ecgsdk_cli.main import main


class LeadSpread:
    """Tells labels by a ridge regression on how far each lead spreads."""

    def fit(self, signals, labels, *, seed):
        x = self._measured(signals)
        self.weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ labels.astype(float))

    def predict_proba(self, signals):
        return np.clip(self._measured(signals) @ self.weights, 0, 1)

    def _measured(self, signals):
        spread = np.log(signals.std(axis=2) + 1e-3)
        return np.concatenate([spread, np.ones((len(spread), 1))], axis=1)


class LowVoltage:
    """A finished model that knows one diagnosis."""

    labels = ("low voltage", "tall")
    statements: ClassVar = {"low voltage": ("LVOLT",)}
    sampling_rate = 100.0
    leads = ("I", "II", "III")
    units = "uV"

    def predict_proba(self, signals):
        height = np.ptp(signals, axis=2).max(axis=1)
        low = 1 / (1 + np.exp((height - 800) / 100))
        return np.stack([low, 1 - low], axis=1)


class Spread:
    """A plugin with one classifier of each kind, a metric that works and one that does not."""

    @hookimpl
    def register_classifiers(self, register):
        register("lead-spread", LeadSpread)
        register("low-voltage", LowVoltage)

    @hookimpl
    def register_metrics(self, register):
        register("spread-ratio", lambda: spread_ratio, description="Spread of all leads, synthetic over real.")
        register("broken", lambda: broken)


def spread_ratio(real, synthetic):
    return {"all": float(synthetic.signals.std() / real.signals.std())}


def broken(real, synthetic):
    raise ZeroDivisionError("nothing to divide by")


@pytest.fixture(scope="module")
def plugins():
    plugins = Plugins()
    plugins.add(Spread(), "spread")
    return plugins


@pytest.fixture(scope="module")
def settings(shared_data):
    return Settings(real=str(shared_data / "ptbxl500"), records=200, task_records=20, augmentation="lead-spread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def report(settings, plugins, folder):
    return validate(settings, cache=Cache(folder / "cache"), plugins=plugins)


def test_every_section_is_there_and_was_measured(report):
    sections = {section.name: section for section in report.sections}
    assert list(sections) == ["utility", "fidelity", "physiology", "privacy", "agreement", "plugins", "samples"]
    for name in ("utility", "fidelity", "physiology", "agreement", "plugins"):
        assert sections[name].measures, sections[name].failures
    assert len(report.findings) >= 4


def test_figures_are_unique_and_within_their_intervals(report):
    names = [measure.name for section in report.sections for measure in section.measures]
    assert len(names) == len(set(names))
    for measure in report.measures().values():
        if measure.low is not None and measure.value is not None:
            assert measure.low <= measure.value <= measure.high or measure.low != measure.low, measure


def test_every_figure_may_be_bound(report, settings, plugins):
    for name in report.measures():
        check_bound(name, settings, plugins)


def test_a_failing_metric_costs_only_itself(report):
    section = next(section for section in report.sections if section.name == "plugins")
    assert [failure.what for failure in section.failures] == ["metric broken"]
    assert "ZeroDivisionError: nothing to divide by" in section.failures[0].why
    assert section.measure("spread_ratio_all").floor == pytest.approx(1, abs=0.3)


def test_labels_that_are_not_mapped_are_named(report):
    section = next(section for section in report.sections if section.name == "agreement")
    assert any("tall" in note for note in section.notes)


def test_real_and_synthetic_samples_stand_side_by_side(report):
    samples = report.sections[-1].samples
    assert {(sample.group, sample.role) for sample in samples} >= {("norm", "real"), ("norm", "synthetic")}
    assert all(len(sample.microvolts) == 12 for sample in samples)


def test_a_second_run_takes_all_from_the_cache_and_says_the_same(report, settings, plugins, folder, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("computed again")

    monkeypatch.setattr(LeadSpread, "fit", forbidden)
    monkeypatch.setattr("ecgsdk.validation.measure.measure_records", forbidden)
    monkeypatch.setattr("ecgsdk.generator.Generator.generate", forbidden)
    again = validate(settings, cache=Cache(folder / "cache"), plugins=plugins)
    assert {name: m.value for name, m in again.measures().items()} == pytest.approx(
        {name: m.value for name, m in report.measures().items()}, nan_ok=True
    )


def test_a_report_is_written_whole_and_not_over_another(report, tmp_path):
    folder = ReportFolder.open(tmp_path / "report")
    folder.write(report)
    assert json.loads((tmp_path / "report" / "report.json").read_text())["schema_version"] == report.schema_version
    assert sorted(entry.name for entry in folder.path.iterdir()) == ["report.html", "report.json"]
    with pytest.raises(WriteError, match="holds a report already"):
        ReportFolder.open(folder.path)
    ReportFolder.open(folder.path, overwrite=True).write(report)


def test_a_folder_with_other_files_is_no_place_for_a_report(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(WriteError, match="such as thesis.tex"):
        ReportFolder.open(tmp_path, overwrite=True)


def test_a_section_that_fails_is_named_in_the_report(settings, plugins, folder, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("no such thing")

    monkeypatch.setattr("ecgsdk.validation.physiology.section.section", fail)
    found = validate(replace(settings, sections=("physiology",)), cache=Cache(folder / "cache"), plugins=plugins)
    assert found.sections[0].failures[0].why == "ValueError: no such thing"


def test_an_unknown_classifier_is_a_mistake_of_the_user(plugins):
    with pytest.raises(ecgsdk.ConditionError, match="lead-spred.*lead-spread"):
        call_roster(["lead-spred"], plugins)


def test_real_records_without_a_known_statement_are_counted_in_the_notes():
    stated, unstated, foreign = Condition(("NORM",)), Condition(), Condition(("42",))

    def notes(train, test):
        return suite._unstated(
            SimpleNamespace(train=SimpleNamespace(conditions=train), test=SimpleNamespace(conditions=test))
        )

    assert notes((stated,) * 19, (unstated,)) == []
    (note,) = notes((stated, unstated), (foreign,))
    assert note.startswith("2 of 3 real records carry no statement that ecgsdk knows")
    assert "docs/report.md" in note


def test_a_list_of_ones_own_csv_files_gives_them_statements(tmp_path, real_batch):
    """The table of docs/report.md, as it stands there."""
    page = (Path(__file__).parent.parent / "docs" / "report.md").read_text(encoding="utf-8")
    header, row = re.search(r"^(file,identifier,.*)\n(a\.csv,.*)$", page, re.MULTILINE).groups()
    table = real_batch.signals[0].T
    np.savetxt(tmp_path / "a.csv", table, delimiter=",", header=",".join(LEADS), comments="")
    (tmp_path / "records.csv").write_text(f"{header}\n{row}\n")
    source = ecgsdk.read_ecgs(tmp_path)
    assert source.conditions == (Condition(("AFIB", "LVH"), None, 71.0, "F"),)
    assert source.provenance is None
    assert source.read([0])[0] == pytest.approx(real_batch.signals[0], abs=1e-3)


@pytest.mark.parametrize(
    ("kept", "said"),
    [([], "nothing was kept yet"), ([".half.h5.part-1"], "nothing was kept yet"), (["a.npz"], "goes on where it was")],
)
def test_an_interruption_says_what_is_kept(tmp_path, monkeypatch, kept, said):
    out = tmp_path / "report"

    def interrupted(*args, **kwargs):
        for name in kept:
            (out / "cache").mkdir(parents=True, exist_ok=True)
            (out / "cache" / name).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgsdk.validation.validate", interrupted)
    result = run("--real", "nowhere", "-o", str(out))
    assert result.exit_code == 1
    assert said in result.stderr


def run(*arguments):
    return CliRunner().invoke(main, ["validate", *arguments])


@pytest.mark.parametrize(
    ("bounds", "code", "said"),
    [
        (["--fail-over", "heart_rate_within_5_bpm=100"], 0, ""),
        (["--fail-under", "lead_equation_violation_uv=1e6"], 3, "under the bound of 1e+06"),
    ],
)
def test_bounds_decide_the_exit_code(settings, folder, tmp_path, bounds, code, said):
    (tmp_path / "cache").symlink_to(folder / "cache")
    asked = ["--real", settings.real, "-o", str(tmp_path), "--records", "200", "--task-records", "20"]
    result = run(*asked, "--sections", "physiology", "--json", *bounds)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "heart_rate_within_5_bpm" in json.loads(result.stdout)["measures"]
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--real", "nowhere"], 1, "nowhere"),
        (["--real", "nowhere", "--train-folds", "one"], 2, "neither a fold nor a span of folds"),
        (["--real", "nowhere", "--fail-under", "tstr"], 2, "not a figure and its bound"),
        (["--real", "nowhere", "--fail-under", "tsrt=1"], 2, "unknown figure 'tsrt'; did you mean"),
        (["--real", "nowhere", "--train-folds", "1-9"], 1, "fold 9 is to train and to test on"),
        (["--real", "nowhere", "--sections", "privcy"], 2, "unknown section 'privcy'; did you mean privacy?"),
        (["--real", "nowhere", "--protocols", "tstr,trst"], 2, "unknown protocol 'trst'; did you mean"),
        (["--real", "nowhere", "--classifier", "gradient-bosting"], 2, "unknown classifier 'gradient-bosting'; "),
        ([], 2, "--real"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, arguments, code, said):
    result = run(*arguments, "-o", str(tmp_path / "report"))
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output
