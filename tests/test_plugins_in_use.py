"""Plugins in use: formats, generators and commands that are asked for by name."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from sample_plugin import Everything, NumpySink, Still, greet, in_use, plugin, raising, read_npy

import ecgsdk
from ecgsdk.errors import DataError, ModelError, PluginError, WriteError
from ecgsdk.hookspecs import ECGGenerator
from ecgsdk_cli.main import COMMANDS, main


@pytest.fixture
def everything(monkeypatch):
    return in_use(monkeypatch, Everything())


@pytest.fixture
def no_plugins(monkeypatch):
    return in_use(monkeypatch)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# Readers and writers.


def written(path, batch, format=None, **options):
    with ecgsdk.open_writer(
        path, format, sampling_rate=batch.sampling_rate, total=len(batch), provenance=batch.provenance, **options
    ) as writer:
        writer.write(batch)
    return path


@pytest.mark.parametrize(("name", "format"), [("x.npy", None), ("X.NPY", None), ("x.bin", "npy")])
def test_a_plugins_format_is_written_and_read(everything, real_batch, tmp_path, name, format):
    path = written(tmp_path / name, real_batch, format)
    np.testing.assert_array_equal(np.load(path), real_batch.signals)
    source = ecgsdk.read_ecgs(path.rename(tmp_path / "copy.npy"), sampling_rate=50, seconds=5)
    assert (len(source), source.sampling_rate, source.samples) == (6, 50.0, 250)
    assert source.read([0, 2]).shape == (2, 12, 250)
    assert len(ecgsdk.read_ecgs(tmp_path / "copy.npy", folds=[2, 5])) == 2
    with pytest.raises(DataError, match=r"no records in folds \[9\]"):
        ecgsdk.read_ecgs(tmp_path / "copy.npy", folds=[9])


def test_a_plugins_folder_is_overwritten_only_if_it_is_one(everything, real_batch, tmp_path):
    path = written(tmp_path / "folder", real_batch, "npy-folder")
    written(path, real_batch, "npy-folder", overwrite=True)
    (path / "thesis.txt").touch()
    with pytest.raises(WriteError, match="holds other files too"):
        written(path, real_batch, "npy-folder", overwrite=True)


def test_unknown_formats_list_those_of_plugins(everything, real_batch, tmp_path):
    with pytest.raises(WriteError, match="unknown format 'mp3'; known: hdf5, .*, csv, npy, npy-folder"):
        written(tmp_path / "x.mp3", real_batch, "mp3")
    with pytest.raises(WriteError, match=r"end it in \.h5, .*, \.csv, \.npy, \.part\.npy or /"):
        written(tmp_path / "x.mp3", real_batch)
    (tmp_path / "x.mp3").touch()
    with pytest.raises(DataError, match=r"x\.mp3 cannot be told by its name; understood are .*, npy \(plugin Every"):
        ecgsdk.read_ecgs(tmp_path / "x.mp3")
    with pytest.raises(DataError, match=r"y\.npy does not exist; understood are"):
        ecgsdk.read_ecgs(tmp_path / "y.npy")
    with pytest.raises(DataError, match="holds no WFDB records"):
        ecgsdk.read_ecgs(tmp_path)


def test_a_folder_without_wfdb_records_may_be_a_plugins(monkeypatch, tmp_path):
    source = read_npy_of(np.zeros((1, 12, 100), np.float32), tmp_path)

    def register_readers(register):
        register("atlas", lambda: lambda path: source, recognises=lambda path: (path / "atlas.xml").exists())

    in_use(monkeypatch, plugin(register_readers=register_readers))
    (tmp_path / "atlas.xml").touch()
    assert len(ecgsdk.read_ecgs(tmp_path)) == 1


def read_npy_of(signals, folder):
    np.save(folder / "signals.npy", signals)
    return read_npy(folder / "signals.npy")


@pytest.mark.parametrize(
    ("reader", "recognises", "said"),
    [
        (raising, lambda path: True, "cannot read .*x.npy: ValueError: bad magic"),
        (lambda path: [], lambda path: True, "gave list, not an ECGSource"),
        (read_npy, raising, "cannot say whether it reads .*x.npy: ValueError: bad magic"),
    ],
)
def test_a_reader_that_fails_is_named(monkeypatch, tmp_path, reader, recognises, said):
    in_use(monkeypatch, plugin(register_readers=lambda register: register("r", lambda: reader, recognises=recognises)))
    (tmp_path / "x.npy").touch()
    with pytest.raises(PluginError, match=f"reader r of plugin plugin-0 {said}"):
        ecgsdk.read_ecgs(tmp_path / "x.npy")


def test_a_source_that_fails_later_is_named(everything, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 12, 100), np.float32))
    source = ecgsdk.read_ecgs(tmp_path / "x.npy")
    with pytest.raises(PluginError, match="reader npy of plugin Everything cannot read .*x.npy: IndexError"):
        source.read([7])


@pytest.mark.parametrize("method", ["__init__", "write", "close"])
def test_a_sink_that_fails_is_named_and_leaves_nothing(monkeypatch, everything, real_batch, tmp_path, method):
    monkeypatch.setattr(NumpySink, method, raising)
    with pytest.raises(PluginError, match="writer npy of plugin Everything cannot write: ValueError: bad magic"):
        written(tmp_path / "x.npy", real_batch)
    assert list(tmp_path.iterdir()) == []


# Generators.


def test_a_plugins_generator_is_loaded_by_name(everything):
    generator = ecgsdk.load_generator("still")
    assert isinstance(generator, ECGGenerator)
    assert (generator.name, generator.sampling_rates) == ("still", (50.0,))
    assert not hasattr(generator, "device")
    with pytest.raises(PluginError, match="still is a plugin's generator and chooses device and threads itself"):
        ecgsdk.load_generator("still", threads=2)
    with pytest.raises(ModelError, match=r"unknown model 'stil': .*, nor a plugin's generator \(still\)"):
        ecgsdk.load_generator("stil")


def fails_on_the_way(self, cohort, n, **options):
    yield from ()
    raise ValueError("bad weights")


@pytest.mark.parametrize("generate", [raising, fails_on_the_way])
def test_a_generator_that_fails_is_named_and_leaves_nothing(monkeypatch, everything, tmp_path, generate):
    monkeypatch.setattr(Still, "generate", generate)
    result = run("generate", "--model", "still", "--group", "norm", "-o", tmp_path / "x.npz")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: generator still of plugin Everything cannot generate: ValueError: bad ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_goes_before_a_plugins_generator(everything, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("still").mkdir()
    with pytest.raises(ModelError, match="still has no card.json"):
        ecgsdk.load_generator("still")


def test_generate_with_a_plugins_generator(everything, tmp_path):
    output = tmp_path / "x.npy"
    result = run("generate", "--model", "still", "--group", "norm", "-n", 3, "--seed", 4, "-o", output)
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("with still, seed 4\n")
    assert np.load(output).shape == (3, 12, 500)
    result = run("generate", "--model", "still", "--group", "norm", "-o", output, "--force", "--json")
    facts = json.loads(result.stdout)
    assert (facts["device"], facts["sampling_rate"], facts["model"]) == (None, 50.0, "still")
    result = run("generate", "--model", "still", "--group", "norm", "-o", output, "--force", "--device", "cpu")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


# The command line.


def test_commands_of_plugins_are_listed_without_being_made(monkeypatch):
    def register_commands(register):
        register("greet", raising, description="Say hello to somebody.")
        register("plain", raising)

    in_use(monkeypatch, plugin(register_commands=register_commands))
    result = run("--help")
    assert result.exit_code == 0, result.output
    listed = result.stdout.split("Commands of plugins:\n")[1]
    assert "  greet  Say hello to somebody.\n" in listed
    assert "  plain  plugin plugin-0\n" in listed
    result = run("plain")
    assert result.exit_code == 1
    assert result.stderr == "error: command plain of plugin plugin-0 cannot be made: ValueError: bad magic\n"


def test_a_command_of_a_plugin_runs(everything):
    assert run("greet", "Willem").stdout == "hello Willem\n"
    assert "Usage: main greet [OPTIONS] NAME" in run("greet", "--help").stdout
    result = run("greet", "nobody")
    assert (result.exit_code, result.stderr) == (1, "error: there is nobody\n")
    assert run("greet").exit_code == 2


def test_without_plugins_there_is_no_section_and_no_other_command(no_plugins):
    assert "plugins:" not in run("--help").stdout
    result = run("greet")
    assert result.exit_code == 2
    assert "No such command 'greet'" in result.stderr


def test_a_built_in_command_cannot_be_replaced(monkeypatch):
    in_use(monkeypatch, plugin(register_commands=lambda register: register("models", lambda: greet)))
    result = run("--help")
    said = "command models is claimed by ecgsdk itself and by plugin plugin-0; uninstall the plugin\n"
    assert result.exit_code == 0
    assert result.stderr == f"warning: {said}"
    assert "  models " in result.stdout
    assert run("models").exit_code == 0
    result = run("greet")
    assert (result.exit_code, result.stderr) == (1, f"error: {said}")
    assert main.list_commands(click.Context(main)) == list(COMMANDS)
