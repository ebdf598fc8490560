"""Bounds on figures: a misspelt name is noticed before the run, and the names are those of the report and its page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_plugin import Coin, in_use, mean_difference, plugin

from ecgsdk.errors import ConditionError
from ecgsdk.plugins import Plugins
from ecgsdk.validation import Settings
from ecgsdk.validation.report.figures import (
    FIGURES,
    SHORT_NAMES,
    check_bound,
    classifier_keys,
    full_name,
    metric_key,
    missing,
)
from ecgsdk.validation.report.rules import RULES
from ecgsdk.validation.results import Measure, Report, Section
from ecgsdk_cli.main import main

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "report.md").read_text(encoding="utf-8")
SETTINGS = Settings(real="ptb-xl")


def hooks():
    """A plugin with the classifier my-net and the metric t-wave.form."""
    return plugin(
        register_classifiers=lambda register: register("my-net", Coin),
        register_metrics=lambda register: register("t-wave.form", lambda: mean_difference),
    )


@pytest.fixture(scope="module")
def plugins():
    plugins = Plugins()
    plugins.add(hooks(), "mine")
    return plugins


@pytest.mark.parametrize(
    "name",
    [
        *("tstr", "tsts", "tstr_ratio", "tstr_macro_auroc_my_net", "trtr_balanced_accuracy", "frechet_distance"),
        *("agreement_my_net_kappa", "membership_tpr_01_isolated", "t_wave_form", "t_wave_form_area"),
    ],
)
def test_what_a_report_will_have_may_be_bound(plugins, name):
    check_bound(name, SETTINGS, plugins)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tsrt", "unknown figure 'tsrt'; did you mean .*tstr"),
        ("membership_auk", "did you mean membership_auc or"),
        ("tstr_macro_auroc_mynet", "did you mean tstr_macro_auroc_my_net"),
        ("agreement_my_net_kapa", "did you mean agreement_my_net_kappa"),
        ("t_wav_form", "did you mean t_wave_form"),
        ("zzz", "known: trtr_macro_auroc, "),
    ],
)
def test_what_no_report_has_is_refused_with_the_nearest_names(plugins, name, said):
    with pytest.raises(ConditionError, match=said):
        check_bound(name, SETTINGS, plugins)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("tstr", {"sections": ("fidelity",)}, "tstr is a figure of the section utility, which is not asked for"),
        ("t_wave_form", {"sections": ("utility",)}, "of the section plugins, which is not asked for"),
        ("trts", {"protocols": ("tstr", "trtr")}, "trts is a figure of the protocol trts, which is not asked for"),
    ],
)
def test_what_the_settings_leave_out_is_refused(plugins, name, asked, said):
    with pytest.raises(ConditionError, match=said):
        check_bound(name, replace(SETTINGS, **asked), plugins)


def test_only_the_classifiers_asked_for_count(plugins):
    asked = replace(SETTINGS, classifiers=("onnx:device 2.onnx",))
    check_bound("agreement_onnx_device_2_onnx_auroc", asked, plugins)
    with pytest.raises(ConditionError, match="did you mean"):
        check_bound("agreement_my_net_auroc", asked, plugins)


def test_what_a_report_lacks_is_told_with_the_names_that_it_has():
    names = ["t_wave_form_area", "t_wave_form_height", "coverage"]
    said = "the report has no figure t_wave_form_aera; did you mean t_wave_form_area or t_wave_form_height?"
    assert missing("t_wave_form_aera", names) == said
    assert (
        missing("zzz", names) == "the report has no figure zzz; known: t_wave_form_area, t_wave_form_height, coverage"
    )
    assert missing("tstr", names) == "tstr was not measured; the report says why"
    assert missing("agreement_openecg_kappa", names) == "agreement_openecg_kappa was not measured; the report says why"


def test_names_become_parts_of_figures():
    assert classifier_keys(["CNN-BiLSTM", "cnn_bilstm", "onnx:a.onnx"]) == ["cnn_bilstm", "cnn_bilstm_2", "onnx_a_onnx"]
    assert metric_key("mean-beat.distance") == "mean_beat_distance"
    assert full_name("tstr") == "tstr_macro_auroc"


def test_the_verdict_judges_figures_that_there_are():
    known = {(section, name) for section, names in FIGURES.items() for name in names}
    assert {(rule.section, rule.measure) for rule in RULES} <= known


def test_the_page_lists_every_figure_and_every_short_name():
    part = PAGE.split("\n## Bounds")[1].split("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", row) for row in part.splitlines() if row.startswith("| ")]
    told = [names for names in rows if names]
    assert [tuple(names) for names in told if len(names) == 2 and names[0] in SHORT_NAMES] == list(SHORT_NAMES.items())
    figures = {name for names in told for name in names} - set(SHORT_NAMES)
    assert figures == {name for names in FIGURES.values() for name in names}


def run(*arguments):
    return CliRunner().invoke(main, ["validate", "--real", "nowhere", *arguments])


@pytest.mark.parametrize("option", ["--fail-under", "--fail-over"])
def test_a_misspelt_bound_ends_before_the_run(monkeypatch, tmp_path, option):
    in_use(monkeypatch, hooks())
    result = run("-o", str(tmp_path / "r"), option, "tsrt=0.85")
    assert result.exit_code == 2
    assert f"Error: {option}: unknown figure 'tsrt'; did you mean" in result.stderr
    assert not (tmp_path / "r").exists()


def test_a_bound_on_what_was_not_measured_is_missed(monkeypatch, tmp_path):
    measures = Measure("coverage", "Coverage", None), Measure("recall", "Recall", 0.9)
    sections = (Section("fidelity", "Fidelity", measures=measures),)
    report = Report("2024-05-17T09:30:00+00:00", "0.1.0", {"name": "a"}, {"name": "b"}, {}, (), (), sections)
    monkeypatch.setattr("ecgsdk.validation.validate", lambda *args, **options: report, raising=False)
    result = run("-o", str(tmp_path), "--fail-under", "coverage=0.5", "--fail-over", "recall=0.5")
    assert result.exit_code == 3
    assert result.stderr == ("coverage was not measured; the report says why\nrecall is 0.9, over the bound of 0.5\n")


def test_an_interruption_says_that_the_same_command_goes_on(monkeypatch, tmp_path):
    def interrupted(*args, **options):
        cache.mkdir()
        (cache / "beats.npz").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgsdk.validation.validate", interrupted, raising=False)
    cache = tmp_path / "cache"
    result = run("-o", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == f"error: interrupted; the same command goes on where it was, from {cache}\n"
