"""Plugins: found, loaded one by one, left out with a reason, and listed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from sample_plugin import (
    Coin,
    Everything,
    Still,
    ecgsdk_command,
    environment,
    greet,
    installable,
    mean_difference,
    plugin,
)

import ecgsdk
import ecgsdk.plugins
from ecgsdk.errors import PluginError, PluginWarning
from ecgsdk.hookspecs import ECGGenerator
from ecgsdk.plugins import HOOKS, Plugins, installed_plugins
from ecgsdk.validation.results import Failure
from ecgsdk.validation.utility.roster import call_roster
from ecgsdk_cli.main import main

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "plugins" / "ecgsdk-example"


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


def metric_plugin(name):
    return plugin(register_metrics=lambda register: register(name, lambda: mean_difference))


def test_every_kind_is_registered_and_made():
    plugins = Plugins()
    added = plugins.add(Everything())
    assert (added.name, added.failure, len(added.registrations)) == ("Everything", None, 7)
    coin = plugins.classifiers()["coin"]
    assert (coin.kind, coin.plugin, coin.distribution) == ("classifier", "Everything", "")
    assert coin.description == "Heads or tails."
    assert isinstance(plugins.make(coin), Coin)
    assert isinstance(plugins.make(plugins.generators()["still"]), ECGGenerator)
    assert plugins.make(plugins.metrics()["mean-difference"]) is mean_difference
    assert plugins.readers()["npy"].recognises(Path("x.npy"))
    assert plugins.writers()["npy-folder"].folder
    assert plugins.writers()["npy"].suffixes == (".npy", ".part.npy")
    assert plugins.make(plugins.commands()["greet"]) is greet


def test_our_generator_is_a_generator():
    generator = ecgsdk.load_generator()
    assert isinstance(generator, ECGGenerator)
    assert (generator.name, generator.sampling_rates) == (generator.card.name, generator.card.sampling_rates)
    assert generator.statements == generator.card.statements


def fails_late(register):
    register("early", lambda: mean_difference)
    raise RuntimeError("no licence\nfound")


UNDECORATED = ModuleType("undecorated")
UNDECORATED.register_metrics = lambda register: None


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (plugin(register_metric=lambda register: None), "no hook register_metric; did you mean register_metrics?"),
        (UNDECORATED, "register_metrics is no hook without the decorator ecgsdk.hookspecs.hookimpl"),
        (plugin(register_metrics=lambda add: None), "register_metrics takes add; a hook takes one argument, register"),
        (plugin(register_metrics=fails_late), "RuntimeError: no licence found"),
        (plugin(register_metrics=lambda register: register("Upper", len)), "metric 'Upper': a name has lower case"),
        (plugin(register_metrics=lambda register: register(3, len)), "metric 3: a name has lower case"),
        (plugin(register_metrics=lambda register: register("x", 3)), "metric x: the factory must be a class"),
        (
            plugin(register_metrics=lambda register: register("x", len, colour=1)),
            "unexpected keyword argument 'colour'",
        ),
        (plugin(register_metrics=lambda register: [register("x", len) for _ in "ab"]), "metric x is registered twice"),
        (plugin(register_readers=lambda register: register("x", len)), "'recognises'"),
        (plugin(register_readers=lambda register: register("x", len, recognises=".x")), "must be a function of a path"),
        (plugin(register_writers=lambda register: register("x", len)), "'suffixes'"),
        (plugin(register_writers=lambda register: register("x", len, suffixes="x")), "with their dot"),
        (plugin(register_writers=lambda register: register("x", len, suffixes=())), "with their dot"),
    ],
)
def test_a_broken_plugin_is_left_out_with_a_reason(module, reason):
    plugins = Plugins()
    failed = plugins.add(module, "broken")
    plugins.add(Everything())
    assert reason in failed.failure
    assert "\n" not in failed.failure
    assert plugins.failed == (failed,)
    assert failed.registrations == ()
    assert list(plugins.metrics()) == ["mean-difference"]


def test_a_plugin_that_fails_in_its_last_hook_has_registered_nothing():
    plugins = Plugins()
    plugins.add(plugin(register_classifiers=lambda register: register("x", Coin), register_commands=fails_late))
    assert (plugins.classifiers(), plugins.commands()) == ({}, {})


def test_each_plugin_is_called_once_with_its_own_register():
    calls = []
    plugins = Plugins()
    for name in ("a", "b"):
        plugins.add(plugin(register_metrics=lambda register, name=name: calls.append(name)), name)
    assert calls == ["a", "b"]


def test_a_name_claimed_twice_is_an_error_that_names_both():
    plugins = Plugins()
    for name in ("one", "two"):
        plugins.add(metric_plugin("same"), name)
    said = "metric same is claimed by plugin one and by plugin two; uninstall one of them"
    with pytest.raises(PluginError, match=said):
        plugins.metrics()
    assert plugins.clashes() == (said,)
    assert plugins.classifiers() == {}


def clashing_classifiers():
    """Two plugins that claim one classifier; each has another of its own."""
    plugins = Plugins()
    for name in ("one", "two"):
        hook = lambda register, name=name: [register(called, Coin) for called in ("same", f"only-{name}")]  # noqa: E731
        plugins.add(plugin(register_classifiers=hook), name)
    return plugins


CLASH = "classifier same is claimed by plugin one and by plugin two; uninstall one of them"


def test_a_classifier_claimed_twice_stays_an_error_of_the_registry():
    plugins = clashing_classifiers()
    with pytest.raises(PluginError, match=CLASH):
        plugins.classifiers()
    assert plugins.clashes() == (CLASH,)
    sole, clashes = plugins.classifiers_apart()
    assert list(sole) == ["only-one", "only-two"]
    assert clashes == {"same": CLASH}


def test_a_clash_costs_a_validation_the_clashing_name_only():
    with pytest.warns(PluginWarning, match=f"{CLASH}; until then it is left out") as warned:
        roster = call_roster(None, clashing_classifiers())
    assert len(warned) == 1
    assert [trainer.name for trainer in roster.trainers] == ["only-one", "only-two"]
    assert roster.failures == (Failure("classifier same", CLASH),)


def test_a_clash_does_not_matter_where_other_classifiers_are_named():
    roster = call_roster(["only-two"], clashing_classifiers())
    assert ([trainer.name for trainer in roster.trainers], roster.failures) == (["only-two"], ())
    with pytest.raises(PluginError, match=CLASH):
        call_roster(["only-two", "same"], clashing_classifiers())


@pytest.mark.parametrize(
    ("hooks", "registry", "claimed"),
    [
        ({"register_generators": lambda register: register("ptbxl-flow", Still)}, "generators", "generator ptbxl-flow"),
        ({"register_writers": lambda register: register("hdf5", len, suffixes=".x")}, "writers", "writer hdf5"),
        ({"register_writers": lambda register: register("x", len, suffixes=".h5")}, "writers", "suffix .h5"),
        (
            {"register_readers": lambda register: register("wfdb", len, recognises=len)},
            "readers",
            "reader wfdb",
        ),
    ],
)
def test_names_of_ecgsdk_cannot_be_claimed(hooks, registry, claimed):
    plugins = Plugins()
    plugins.add(plugin(**hooks), "greedy")
    with pytest.raises(PluginError, match=f"{claimed} is claimed by ecgsdk itself and by plugin greedy; uninstall"):
        getattr(plugins, registry)()


def test_two_writers_cannot_share_a_suffix_but_folders_can():
    plugins = Plugins()
    plugins.add(Everything())
    plugins.add(plugin(register_writers=lambda register: register("other", len, suffixes=[".npy"])), "other")
    with pytest.raises(PluginError, match=r"suffix \.npy is claimed by plugin Everything and by plugin other"):
        plugins.writers()


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("__import__('no_such_framework')", "made: ModuleNotFoundError: No module named 'no_such_framework'"),
        ("exit(3)", "made: SystemExit: 3"),
        ("object()", "used: its factory made object, which has no predict_proba"),
    ],
    ids=["import", "exit", "wrong"],
)
def test_a_factory_that_fails_names_its_plugin_and_package(factory, said, tmp_path, monkeypatch, request):
    module = f"vendor_{request.node.callspec.id}"
    code = f"""
from ecgsdk.hookspecs import hookimpl
@hookimpl
def register_classifiers(register):
    register("x", lambda: {factory})
"""
    plugins = Plugins([installable(tmp_path, monkeypatch, "vendor-ecg", module, code)])
    with pytest.raises(PluginError) as failed:
        plugins.make(plugins.classifiers()["x"])
    assert str(failed.value) == f"classifier x of plugin {module} (vendor-ecg 1.2) cannot be {said}"


GOOD = """
from ecgsdk.hookspecs import hookimpl
@hookimpl
def register_metrics(register):
    register("good", lambda: max)
"""


def test_installed_packages_are_loaded_one_by_one(tmp_path, monkeypatch):
    found = [
        installable(tmp_path, monkeypatch, "bad-ecg", "bad_import", "import no_such_framework"),
        installable(tmp_path, monkeypatch, "exit-ecg", "bad_exit", "raise SystemExit"),
        installable(tmp_path, monkeypatch, "good-ecg", "good_module", GOOD),
    ]
    plugins = Plugins([*found, found[2]])
    assert [(p.name, p.distribution, p.version, p.failure) for p in plugins.plugins] == [
        ("bad_import", "bad-ecg", "1.2", "ModuleNotFoundError: No module named 'no_such_framework'"),
        ("bad_exit", "exit-ecg", "1.2", "SystemExit"),
        ("good_module", "good-ecg", "1.2", None),
        ("good_module", "good-ecg", "1.2", "the same module is loaded already under another name"),
    ]
    good = plugins.metrics()["good"]
    assert good.owner == "plugin good_module (good-ecg 1.2)"


def test_an_entry_point_without_a_package_or_module():
    (failed,) = Plugins([EntryPoint("lost", "no_such_module_at_all", "ecgsdk")]).failed
    assert failed.owner == "plugin lost"
    assert "No module named" in failed.failure


def test_a_plugin_that_is_left_out_is_warned_of_once(tmp_path, monkeypatch):
    found = [installable(tmp_path, monkeypatch, "bad-ecg", "bad_again", "1 / 0")]
    monkeypatch.setattr(ecgsdk.plugins, "installed_entry_points", lambda: found)
    installed_plugins.cache_clear()
    said = r"plugin bad_again \(bad-ecg 1.2\) is left out: ZeroDivisionError: division by zero"
    with pytest.warns(PluginWarning, match=said) as warned:
        assert installed_plugins() is installed_plugins()
    assert len(warned) == 1
    installed_plugins.cache_clear()


def test_importing_ecgsdk_and_built_in_formats_load_no_plugin(tmp_path):
    code = (
        "import sys, ecgsdk\n"
        "from ecgsdk_cli.main import main\n"
        "main(['models'], standalone_mode=False)\n"
        f"source = ecgsdk.read_ecgs({str(ROOT / 'tests' / 'data' / 'ptb-xl')!r})\n"
        f"with ecgsdk.open_writer({str(tmp_path / 'x.npz')!r}, sampling_rate=100, total=6, provenance=None) as w:\n"
        "    [w.write(batch) for batch in source.batches()]\n"
        f"ecgsdk.read_ecgs({str(tmp_path / 'x.npz')!r})\n"
        "assert not {'ecgsdk.plugins', 'pluggy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_plugin_that_is_left_out_is_one_line_on_stderr(tmp_path, monkeypatch):
    installable(tmp_path, monkeypatch, "bad-ecg", "bad_import", "import no_such_framework")
    said = "plugin bad_import (bad-ecg 1.2) is left out: ModuleNotFoundError: No module named 'no_such_framework'"
    result = ecgsdk_command(tmp_path, "greet")
    assert result.returncode == 2
    assert f"warning: {said}\n" in result.stderr
    assert "Traceback" not in result.stderr
    assert ecgsdk_command(tmp_path, "models").stderr == ""


def test_completion_offers_commands_of_plugins_and_stays_silent(tmp_path, monkeypatch):
    installable(tmp_path, monkeypatch, "bad-ecg", "bad_import", "import no_such_framework")
    code = """
import click
from ecgsdk.hookspecs import hookimpl
@hookimpl
def register_commands(register):
    register("plum", lambda: click.Command("plum"))
"""
    installable(tmp_path, monkeypatch, "plum-ecg", "plum_module", code)
    asked = {"_ECGSDK_COMPLETE": "bash_complete", "COMP_WORDS": "ecgsdk pl", "COMP_CWORD": "1"}
    result = subprocess.run(
        [sys.executable, "-c", "from ecgsdk_cli.main import main; main(prog_name='ecgsdk')"],
        env=environment(tmp_path) | asked, capture_output=True, text=True,
    )  # fmt: skip
    assert {"plain,plot", "plain,plugins", "plain,plum"} <= set(result.stdout.split())
    assert result.stderr == ""


def list_of(monkeypatch, *found):
    monkeypatch.setattr(ecgsdk.plugins, "installed_entry_points", lambda: list(found))


def test_the_list_of_plugins(tmp_path, monkeypatch):
    list_of(
        monkeypatch,
        installable(tmp_path, monkeypatch, "bad-ecg", "bad_import", "import no_such_framework"),
        installable(tmp_path, monkeypatch, "good-ecg", "good_module", GOOD, "good"),
        installable(tmp_path, monkeypatch, "idle-ecg", "idle", ""),
        installable(tmp_path, monkeypatch, "twin-ecg", "twin", GOOD + "# twin"),
    )
    result = run("plugins")
    clash = (
        "metric good is claimed by plugin good (good-ecg 1.2) and by plugin twin (twin-ecg 1.2); uninstall one of them"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "bad_import  bad-ecg 1.2",
        "  failed      ModuleNotFoundError: No module named 'no_such_framework'",
        "good  good-ecg 1.2",
        "  metric      good",
        "idle  idle-ecg 1.2",
        "  registers nothing",
        "twin  twin-ecg 1.2",
        "  metric      good",
        f"clash: {clash}",
    ]
    facts = json.loads(run("plugins", "--json").stdout)
    assert facts["clashes"] == [clash]
    assert facts["plugins"][1] == {
        "name": "good",
        "distribution": "good-ecg",
        "version": "1.2",
        "failure": None,
        "registers": [{"kind": "metric", "name": "good", "description": ""}],
    }


def test_no_plugins_are_said_on_stderr(monkeypatch):
    list_of(monkeypatch)
    result = run("plugins")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no plugins installed\n")
    assert json.loads(run("plugins", "--json").stdout) == {"plugins": [], "clashes": []}


# The example of docs/plugins.md as a distribution.


@pytest.fixture(scope="module")
def installed_example(tmp_path_factory):
    """The folder that pip has installed the example into; nothing is downloaded."""
    source, target = tmp_path_factory.mktemp("source") / "example", tmp_path_factory.mktemp("target")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    options = [
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--no-compile",
    ]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


def test_the_example_installs_and_is_listed_as_the_page_says(installed_example):
    result = ecgsdk_command(installed_example, "plugins")
    assert result.returncode == 0, result.stderr
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    listed = page.split("$ ecgsdk plugins\n")[1].split("```")[0]
    assert listed in result.stdout


def test_the_example_passes_its_own_tests(installed_example, tmp_path):
    shutil.copy(EXAMPLE / "test_ecgsdk_example.py", tmp_path)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env=environment(installed_example), cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert "3 passed" in result.stdout


def test_the_hooks_are_those_of_the_kinds():
    assert list(HOOKS.values()) == ["classifier", "generator", "metric", "reader", "writer", "command"]
