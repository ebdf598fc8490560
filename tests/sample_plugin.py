"""A plugin for tests that implements every hook, and ways to make others."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import click
import numpy as np

import ecgsdk.plugins
from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.hookspecs import hookimpl
from ecgsdk.plugins import Plugins
from ecgsdk.readers import ECGSource

__all__ = [
    "Coin",
    "Everything",
    "NumpySink",
    "Still",
    "ecgsdk_command",
    "environment",
    "greet",
    "in_use",
    "installable",
    "mean_difference",
    "plugin",
    "raising",
    "read_npy",
]


class Coin:
    """A trainable classifier without a clue."""

    def fit(self, signals, labels, *, seed):
        self.labels = labels.shape[1]

    def predict_proba(self, signals):
        return np.full((len(signals), self.labels), 0.5)


class Still:
    """A generator of flat ECGs."""

    name, statements, sampling_rates = "still", ("NORM",), (50.0,)

    def provenance(self, *, seed, steps=None, guidance=None):
        return Provenance("still", "cd" * 32, "1", seed, 0, 1.0)

    def generate(self, cohort, n, *, seed=0, start=0, sampling_rate=None, steps=None, guidance=None, batch_size=64):
        for i in range(start, start + n):
            flat = np.zeros((1, 12, 500), np.float32)
            yield ECGBatch(flat, 50.0, (cohort.condition(i),), (str(i),), self.provenance(seed=seed))


class NumpySink:
    """Signals of all batches as one .npy file."""

    def __init__(self, path, header):
        self.path, self.parts = path, []

    def write(self, batch):
        self.parts.append(batch.signals)

    def close(self):
        with self.path.open("wb") as file:
            np.save(file, np.concatenate(self.parts))

    def abort(self):
        pass


class FolderSink(NumpySink):
    def close(self):
        self.path.mkdir()
        np.save(self.path / "ecgs.npy", np.concatenate(self.parts))


def read_npy(path):
    signals = np.load(path)
    n = len(signals)
    folds = tuple(range(1, n + 1))
    return ECGSource(
        str(path), 100.0, signals.shape[2], (Condition(),) * n, tuple(map(str, range(n))), folds,
        lambda chosen: signals[list(chosen)],
    )  # fmt: skip


def mean_difference(real, synthetic):
    return float(real.signals.mean() - synthetic.signals.mean())


@click.command("greet")
@click.argument("name")
def greet(name):
    """Say hello."""
    if name == "nobody":
        raise DataError("there is\nnobody")
    click.echo(f"hello {name}")


class Everything:
    """Implements every hook."""

    @hookimpl
    def register_classifiers(self, register):
        register("coin", Coin, description="Heads or\n tails.")

    @hookimpl
    def register_generators(self, register):
        register("still", Still)

    @hookimpl
    def register_metrics(self, register):
        register("mean-difference", lambda: mean_difference, description="In mV.")

    @hookimpl
    def register_readers(self, register):
        register("npy", lambda: read_npy, recognises=lambda path: path.suffix == ".npy")

    @hookimpl
    def register_writers(self, register):
        register("npy", lambda: NumpySink, suffixes=(".npy", ".part.npy"))
        register("npy-folder", lambda: FolderSink, suffixes=[".npy"], folder=True)

    @hookimpl
    def register_commands(self, register):
        register("greet", lambda: greet, description="Say hello to somebody.")


def plugin(**hooks):
    """A plugin module of the functions given, each marked as a hook."""
    module = ModuleType("vendor")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


def in_use(monkeypatch, *modules):
    """Makes these the installed plugins."""
    plugins = Plugins()
    for module in modules:
        plugins.add(module, None if isinstance(module, Everything) else f"plugin-{len(plugins.plugins)}")
    monkeypatch.setattr(ecgsdk.plugins, "installed_plugins", lambda hook="": plugins)
    return plugins


def raising(*_, **__):
    raise ValueError("bad magic")


def installable(folder, monkeypatch, distribution, module, code, point=None):
    """The entry point of a package that is put into a folder as pip does."""
    (folder / f"{module}.py").write_text(code)
    facts = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(f"[ecgsdk]\n{point or module} = {module}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = [point for point in ecgsdk.plugins.installed_entry_points() if point.value == module]
    assert len(found) == 1
    return found[0]


def environment(folder):
    """The variables of a process that finds the plugins in a folder."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def ecgsdk_command(folder, *arguments):
    """The command in a process of its own, which finds the plugins in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ecgsdk_cli.main", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
    )
