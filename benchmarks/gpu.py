"""How fast a GPU generates, and what holds it back: each graph alone, the host's work apart, the whole, the writing.

    pip install 'ecgsdk[gpu]' onnx
    python benchmarks/gpu.py
    python benchmarks/gpu.py --json --log placed.txt > gpu.json
    python benchmarks/gpu.py --device cpu --batches 8,16 --records 64

Records are 12 leads × 10 s. A graph alone is timed with its inputs and outputs kept on the device, bound to arrays of
the host, and by plain `InferenceSession.run`. The host's work is CPU time of one thread, and records a second of the
draws on one thread and on all. The log says which nodes each graph runs where. A part that fails is told in one line,
and the others go on.
"""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import click
import numpy as np
from gpu_graphs import GRAPHS, alone, kernels, operations, placed, variants

import ecgsdk
from ecgsdk import runtime
from ecgsdk.conditions import GROUPS
from ecgsdk.drawing import Stream, noise
from ecgsdk.encoding import encode_beats, encode_conditions
from ecgsdk.leads import to_twelve
from ecgsdk.models import find_model
from ecgsdk.workers import in_parts
from ecgsdk.writers.quantise import quantise

if TYPE_CHECKING:
    from collections.abc import Callable

    Figures = dict[str, float]

_HOST_RECORDS = 512


@dataclass
class Run:
    """One run of this benchmark.

    Attributes:
        model: name or folder; None: the shipped one.
        device: "cuda" or "cpu".
        batches: records of a run of a graph.
        records: of each whole generation.
        log: where ONNX Runtime's own words go.
        ends: when to begin nothing more.
        figures: what was measured, by part.
        errors: what failed, by part.
    """

    model: str | None
    device: str
    batches: list[int]
    records: int
    log: Path
    ends: float
    figures: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @cached_property
    def generator(self) -> Any:
        return ecgsdk.load_generator(self.model, device=self.device)

    def graph(self, name: str) -> bytes:
        return find_model(self.model).graph(name)

    def part(self, name: str, work: Callable[[], Any]) -> None:
        """Measures one part, whose failure is told and leaves the others."""
        if time.monotonic() > self.ends:
            self.errors[name] = "left out: no time left"
            return
        began = time.monotonic()
        try:
            self.figures[name] = work()
        except Exception as error:  # whatever ONNX Runtime, CUDA or a full memory raise
            self.errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        said = self.errors.get(name) or json.dumps(self.figures[name])
        click.echo(f"{name} ({time.monotonic() - began:.1f} s): {said}", err=True)


@click.command()
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
@click.option("--batches", default="64,256,1024,4096", show_default=True, help="Records of a run.")
@click.option("--records", type=click.IntRange(min=1), default=32768, show_default=True, help="Of each generation.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), default=Path("gpu-log.txt"), show_default=True,
              help="What ONNX Runtime says when it opens the graphs.")  # fmt: skip
@click.option("--max-seconds", type=float, default=140, show_default=True, help="Begin no part after so long.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def main(
    model: str | None, device: str, batches: str, records: int, log: Path, max_seconds: float, as_json: bool
) -> None:
    """Measure generation on a GPU, part by part."""
    sizes = [int(size) for size in batches.split(",")]
    log.write_text("")
    run = Run(model, device, sizes, records, log, time.monotonic() + max_seconds)
    _check_device(run)
    measure(run)
    if as_json:
        click.echo(json.dumps({"figures": run.figures, "errors": run.errors}, indent=1))
    else:
        click.echo(summary(run))


def measure(run: Run) -> None:
    """All parts, those that matter most first."""
    cuda, usual = run.device == "cuda", min(1024, max(run.batches))
    long = min(128, usual)
    run.part("machine", partial(machine, run))
    for name in GRAPHS:
        run.part(f"placed_{name}", partial(placed, run.graph(name), run.device, run.log))
    run.part("differs_mv", partial(differs, run))
    run.part("host_us_a_record", partial(host, run))
    run.part("draws_per_s", partial(draws, run))
    for block in run.batches:
        run.part(f"made_{block}", partial(made, run, block))
    run.part("made_unbound", partial(unbound, run, usual))
    run.part("written", partial(written, run, usual, 100.0))
    for name in GRAPHS:
        run.part(f"graph_{name}", partial(alone, name, run.graph(name), run.device, run.batches))
    run.part("made_500_hz", partial(made, run, long, rate=500.0, records=run.records // 8))
    run.part("written_500_hz", partial(written, run, long, 500.0, records=run.records // 8))
    run.part("operations", partial(operations, run.generator.model, run.device))
    for name in GRAPHS[1:] if cuda else ():
        run.part(f"variants_{name}", partial(variants, name, run.graph(name), usual))
    for name in GRAPHS[1:] if cuda else ():
        run.part(f"kernels_us_{name}", partial(kernels, name, run.graph(name), usual))


def _check_device(run: Run) -> None:
    try:
        runtime.open_session(run.graph("rhythm"), device=run.device)
    except ecgsdk.EcgsdkError as error:
        with contextlib.suppress(Exception):  # a second try, for its log alone
            placed(run.graph("rhythm"), run.device, run.log)
        why = [line for line in run.log.read_text().splitlines() if "rror" in line or "ailed" in line]
        raise click.ClickException(" | ".join([str(error), *why[:4]])) from None


def machine(run: Run) -> dict[str, Any]:
    """What this was measured on."""
    import onnxruntime

    found = {
        "device": run.device,
        "cores": runtime.available_cores(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "ecgsdk": ecgsdk.__version__,
        "batches": run.batches,
        "records": run.records,
    }
    if run.device == "cuda":
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.used,utilization.gpu", "--format=csv,noheader"]
        with contextlib.suppress(OSError):
            found["gpu"] = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    return found


def differs(run: Run) -> Figures:
    """Greatest difference from the CPU's ECGs, in mV, at 100 and at 500 Hz."""
    cohort, found = ecgsdk.Cohort.from_groups(GROUPS), {}
    for rate in (100.0, 500.0):
        both = (run.generator, ecgsdk.load_generator(run.model, device="cpu"))
        ours, theirs = (next(iter(each.generate(cohort, 12, batch_size=12, sampling_rate=rate))) for each in both)
        found[f"{rate:g}_hz"] = float(np.abs(ours.signals - theirs.signals).max())
    return found


def host(run: Run) -> Figures:
    """Microseconds of CPU time a record of what NumPy and Python do, on one thread, a part of 32 records at a time."""
    generator, found = run.generator, {}
    cohort, provenance = ecgsdk.Cohort.from_groups(GROUPS), generator.provenance(seed=0)
    card, indices = generator.card, range(_HOST_RECORDS)
    beat_grid = card.latent_shape[1], card.latent_seconds or card.seconds

    def each(name: str, work: Callable[[slice], Any], n: int = _HOST_RECORDS) -> list[Any]:
        began = time.process_time()
        results = [work(part) for part in in_parts(n)]
        found[name] = (time.process_time() - began) / n * 1e6
        return results

    def conditions(part: slice) -> Any:
        return generator._conditions([cohort.condition(i) for i in indices[part]], indices[part], provenance)

    drawn = [condition for several in each("conditions", conditions) for condition in several]
    rows = np.concatenate(each("encoded_conditions", lambda part: encode_conditions(drawn[part], card.statements)))
    beats = np.concatenate(
        each("beats_and_rhythm", lambda part: generator._beats(drawn[part], rows[part], indices[part], 0))
    )
    each("beat_channels", lambda part: encode_beats(beats[part], *beat_grid))
    each("flow_noise", lambda part: noise(0, indices[part], Stream.LATENT, card.latent_shape))
    each("decoder_noise", lambda part: noise(0, indices[part], Stream.DECODER, card.decoder_noise_shape))
    eight = np.random.default_rng(0).standard_normal((_HOST_RECORDS, 8, 1000), dtype=np.float32)
    twelve = np.concatenate(each("twelve_leads", lambda part: to_twelve(eight[part])))
    each("finite", lambda part: np.isfinite(twelve[part]).all(axis=2).all())
    each("quantised", lambda part: quantise(twelve[part], 0.001))
    return found


def draws(run: Run) -> Figures:
    """Records a second of all draws before the graphs, on one thread and on all: less than so many times is Python."""
    generator, cohort = run.generator, ecgsdk.Cohort.from_groups(GROUPS)
    indices, provenance = range(8 * _HOST_RECORDS), generator.provenance(seed=0)
    conditions = generator._conditions([cohort.condition(i) for i in indices], indices, provenance)

    def drawn(part: slice) -> None:
        generator._drawn(conditions[part], indices[part], 0)

    found: Figures = {}
    for threads in sorted({1, 4, runtime.available_cores()}):
        parts = in_parts(len(indices) if threads > 1 else _HOST_RECORDS)
        with ThreadPoolExecutor(threads) as pool:
            began = time.perf_counter()
            list(pool.map(drawn, parts))
        found[str(threads)] = parts[-1].stop / (time.perf_counter() - began)
    return found


def made(run: Run, block: int, *, rate: float = 100.0, records: int | None = None) -> Figures:
    """Records a second of whole generation, after a first batch; how many cores were at work, and each stage."""
    n = records or run.records
    return _timed(run, block, n, rate, lambda batches: [None for _ in batches])


def unbound(run: Run, block: int) -> Figures:
    """The same by plain `InferenceSession.run`."""

    def run_plainly(session: Any, given: dict[str, np.ndarray], made: object = None) -> np.ndarray:
        return session.run(None, given)[0]

    with contextlib.ExitStack() as patched:
        for place in ("flow.run_into", "generator.run_into", "generator.run_kept", "upsampling.run_into"):
            patched.enter_context(mock.patch(f"ecgsdk.{place}", run_plainly))
        return made(run, block)


def written(run: Run, block: int, rate: float, *, records: int | None = None) -> Figures:
    """Records a second of generation into HDF5."""
    n = records or run.records

    def write(batches: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            provenance = run.generator.provenance(seed=0)
            writer = ecgsdk.open_writer(f"{folder}/gpu.h5", sampling_rate=rate, total=n, provenance=provenance)
            with writer as sink:
                for batch in batches:
                    sink.write(batch)

    return _timed(run, block, n, rate, write)


def _timed(run: Run, block: int, n: int, rate: float, use: Callable[[Any], object]) -> Figures:
    generator, cohort = run.generator, ecgsdk.Cohort.from_groups(GROUPS)
    generator._workers.block = block
    spent = {"drawn_thread_s": 0.0, "graphs_thread_s": 0.0}
    with (
        mock.patch.object(generator, "_drawn", _counted(generator._drawn, spent, "drawn_thread_s")),
        mock.patch.object(generator, "_eight", _counted(generator._eight, spent, "graphs_thread_s")),
    ):
        for _ in generator.generate(cohort, 2 * block, sampling_rate=rate, batch_size=block):
            pass
        spent.update(dict.fromkeys(spent, 0.0))
        began, cpu = time.perf_counter(), time.process_time()
        use(generator.generate(cohort, n, sampling_rate=rate, batch_size=block))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"per_s": n / wall, "wall_s": wall, "cores": cpu / wall, "cpu_us_a_record": cpu / n * 1e6, **spent}


def _counted(work: Callable[..., Any], spent: Figures, name: str) -> Callable[..., Any]:
    def counted(*given: Any) -> Any:
        began = time.perf_counter()
        result = work(*given)
        spent[name] += time.perf_counter() - began
        return result

    return counted


def summary(run: Run) -> str:
    """The rates in lines."""
    lines = [f"{name}: {figures['per_s']:.0f} records/s" for name, figures in run.figures.items()
             if isinstance(figures, dict) and "per_s" in figures]  # fmt: skip
    return "\n".join([*lines, *(f"{name} failed: {error}" for name, error in run.errors.items())])


if __name__ == "__main__":
    sys.exit(main())
