"""One generator's speed, measured inside its own environment, where nothing else is installed.

`peers.py` runs it; by hand, in an environment that has neurokit2:

    python benchmarks/peers_inside.py neurokit2 single --seconds 5

The last line it prints is a JSON object. Times of `single` and `bulk` begin when the model is open and one batch has
been made; those of `write` include opening it. Each tool is used by its public interface, as its own documentation
does, and on all cores: PyTorch and ecgsdk by their threads, neurokit2, which has neither batches nor threads, by a
process for each core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TOOLS", "NeedsDownloadError", "Tool", "converted", "grown", "main", "per_second"]

BATCHES = (8, 32, 64, 128)
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_FEWEST = 4


class NeedsDownloadError(Exception):
    """The package has no weights of its own and none were given."""


@dataclass(frozen=True)
class Options:
    """What a tool is told: Hz, where it has a choice, and a file of weights, where it has none."""

    sampling_rate: float | None = None
    weights: Path | None = None


@dataclass(frozen=True)
class Tool:
    """How one package is used.

    Args:
        open: loads the model; the function that it returns makes n records at once, shape (n, leads, samples).
        write: options, format, number of records, folder: opens the model and writes the records there.
        formats: of `write`, the usual one first.
        batches: numbers of records at once of which the fastest counts.
        sampling_rate: Hz of what is made; none: told by the options.
    """

    open: Callable[[Options], Callable[[int], Any]]
    write: Callable[[Options, str, int, Path], object]
    formats: tuple[str, ...]
    batches: tuple[int, ...] = BATCHES
    sampling_rate: float | None = None


def main(arguments: list[str] | None = None) -> None:
    """Measures what the command line asks for and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("task", choices=("first", "single", "bulk", "write", "prepare"))
    parser.add_argument("--seconds", type=float, default=5.0, help="that a figure takes, at least")
    parser.add_argument("--format", help="of the files; default: the usual one")
    parser.add_argument("-n", type=int, help="write so many records, without measuring")
    parser.add_argument("--sampling-rate", type=float)
    parser.add_argument("--weights", type=Path, help="a checkpoint for a tool that has none")
    parser.add_argument("--to", type=Path, help="prepare: where converted weights go")
    asked = parser.parse_args(arguments)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = _measured(asked)
    except NeedsDownloadError:
        found = {"missing": "needs a download"}
    print(json.dumps(found))


def _measured(asked: argparse.Namespace) -> dict[str, Any]:
    tool, options = TOOLS[asked.tool], Options(asked.sampling_rate, asked.weights)
    if asked.task == "prepare":
        return converted_file(asked.weights, asked.to)
    if asked.task == "write":
        write = partial(_write_once, tool, options, asked.format or tool.formats[0])
        return _written(write, asked.seconds, asked.n)
    make = tool.open(options)
    if asked.task == "first":
        return {"shape": list(make(1).shape), "sampling_rate": tool.sampling_rate or options.sampling_rate}
    sizes = (1,) if asked.task == "single" else tool.batches
    return {"per_s": {size: per_second(make, size, asked.seconds) for size in sizes}}


def per_second(make: Callable[[int], object], size: int, seconds: float) -> float:
    """Records a second of calls that make `size` records each, after one that does not count."""
    make(size)
    calls, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds or not calls:
        make(size)
        calls += 1
    return calls * size / elapsed


def _written(write: Callable[[int], float], seconds: float, n: int | None) -> dict[str, float]:
    if n is not None:
        return {"n": n, "per_s": n / write(n)}
    n, elapsed = grown(write, seconds)
    return {"n": n, "per_s": n / elapsed}


def grown(write: Callable[[int], float], seconds: float) -> tuple[int, float]:
    """A number of records whose writing takes `seconds` at least, and the seconds that it took."""
    n = _FEWEST
    while (elapsed := write(n)) < seconds:
        n = max(2 * n, math.ceil(1.1 * n * seconds / elapsed))
    return n, elapsed


def _write_once(tool: Tool, options: Options, file_format: str, n: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        tool.write(options, file_format, n, Path(folder))
        return time.perf_counter() - began


def _open_ecgsdk(options: Options) -> Callable[[int], Any]:
    import ecgsdk
    from ecgsdk.conditions import GROUPS

    generator = ecgsdk.load_generator(device="cpu")
    generate = partial(generator.generate, ecgsdk.Cohort.from_groups(GROUPS), sampling_rate=options.sampling_rate)
    return lambda n: next(iter(generate(n, batch_size=n))).signals


def _write_ecgsdk(options: Options, file_format: str, n: int, folder: Path) -> None:
    import ecgsdk
    from ecgsdk.conditions import GROUPS

    generator = ecgsdk.load_generator(device="cpu")
    rate = options.sampling_rate or generator.sampling_rates[0]
    provenance = generator.provenance(seed=0)
    writer = ecgsdk.open_writer(
        folder / "ecgs", file_format.lower(), sampling_rate=rate, total=n, provenance=provenance
    )
    with writer as sink:
        for batch in generator.generate(ecgsdk.Cohort.from_groups(GROUPS), n, sampling_rate=rate):
            sink.write(batch)


def _open_deepfake_ecg(_options: Options) -> Callable[[int], Any]:
    import deepfakeecg
    import torch

    network = deepfakeecg.Generator()
    checkpoint = Path(deepfakeecg.__file__).parent / "checkpoints" / "g_stat.pt"
    network.load_state_dict(torch.load(checkpoint, map_location="cpu")["stat_dict"])
    return partial(_forward, network.eval(), 6000)


def _forward(network: Any, microvolts: float, n: int) -> Any:
    """Records of the network of deepfake-ecg and ecgen: uniform noise of the records' shape in, records out."""
    import torch

    with torch.inference_mode():
        return (network(torch.empty(n, 8, 5000).uniform_(-1, 1)) * microvolts).numpy()


def _write_deepfake_ecg(_options: Options, _format: str, n: int, folder: Path) -> None:
    import deepfakeecg

    deepfakeecg.generate(n, str(folder))


def _open_ecgen(options: Options) -> Callable[[int], Any]:
    weights = _weights(options)
    import torch
    from ecgen.families.gan.pulse2pulse import WaveGANGenerator

    network = WaveGANGenerator()
    network.load_state_dict(torch.load(weights, map_location="cpu")["state_dict"])
    return partial(_forward, network.eval(), 6000)


def _write_ecgen(options: Options, file_format: str, n: int, folder: Path) -> None:
    weights = _weights(options)
    import ecgen

    ecgen.generate(weights, n, folder, format=file_format.lower(), device="cpu", denorm=6000)


def _weights(options: Options) -> Path:
    if options.weights is None:
        raise NeedsDownloadError
    return options.weights


def converted_file(source: Path, target: Path) -> dict[str, Any]:
    """Writes a checkpoint of deepfake-ecg as one that ecgen reads."""
    import torch

    torch.save({"state_dict": converted(torch.load(source, map_location="cpu")["stat_dict"])}, target)
    return {"weights": str(target)}


def converted(weights: dict[str, Any]) -> dict[str, Any]:
    """deepfake-ecg's weights under ecgen's names; layers that neither package runs are left out."""
    names = {name: name.replace("Conv1dTrans", "conv1d_transpose") for name in weights}
    return {new: weights[old] for old, new in names.items() if not old.startswith(("fc1", "ppfilter1"))}


def _open_neurokit2(options: Options) -> Callable[[int], Any]:
    # Imported here, so that a process that is forked has it.
    import neurokit2  # noqa: F401
    import numpy as np

    pool: list[Any] = []

    def make(n: int) -> Any:
        if n == 1:
            return np.stack([_simulate(0).to_numpy().T])
        if not pool:
            pool.append(multiprocessing.Pool(CORES))
        return np.stack([record.to_numpy().T for record in pool[0].map(_simulate, range(n), chunksize=1)])

    return make


def _simulate(_index: int) -> Any:
    import neurokit2

    return neurokit2.ecg_simulate(duration=10, sampling_rate=500, method="multileads")


def _write_neurokit2(_options: Options, _format: str, n: int, folder: Path) -> None:
    with multiprocessing.Pool(CORES) as pool:
        pool.map(_simulate_to_csv, [folder / f"{i}.csv" for i in range(n)], chunksize=1)


def _simulate_to_csv(path: Path) -> None:
    _simulate(0).to_csv(path, index=False)


TOOLS = {
    "ecgsdk": Tool(_open_ecgsdk, _write_ecgsdk, ("HDF5",)),
    "deepfake-ecg": Tool(_open_deepfake_ecg, _write_deepfake_ecg, ("text",), sampling_rate=500),
    "ecgen": Tool(_open_ecgen, _write_ecgen, ("CSV", "NPY"), sampling_rate=500),
    "neurokit2": Tool(_open_neurokit2, _write_neurokit2, ("CSV",), batches=(CORES,), sampling_rate=500),
}
"""The generators that are compared, by the name of their distribution."""


if __name__ == "__main__":
    main()
