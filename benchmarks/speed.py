"""How fast and how small generating is: records a second, first record, peak memory, writers, operations.

    pip install 'ecgsdk[cpu]' onnx
    python benchmarks/speed.py
    python benchmarks/speed.py -n 400 --repeat 1
    python benchmarks/speed.py --full --venv FOLDER --json speed.json

Records are 12 leads × 10 s at each of the model's rates, with its default settings, on all cores. Times of fresh
processes are the best of five, others of `--repeat`. `made` is generation alone; the factor of a format is made and
written / made. Memory is the greatest resident size of a fresh process that generates and writes HDF5. Operations are
those of convolutions and matrix products; the peak is a matrix product's on as many threads. Files stay until the end:
about 3 GB with these defaults, where TMPDIR says.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from operations import matrix_product_peak, record_operations
from tables import markdown, write_json

import ecgsdk
from ecgsdk.conditions import GROUPS
from ecgsdk.models import find_model
from ecgsdk.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDS = {
    "help_s": 0.15,
    "first_record_s": 0.35,
    "written_per_s_100": 400.0,
    "written_per_s_500": 250.0,
    "single_per_s": 60.0,
    "peak_memory_mb": 200.0,
    "writer_factor": 1.25,
    "install_mb": 200.0,
}
"""What is to be reached on two cores; records/s and a factor of each rate and format are judged by the same bound."""
FORMATS = ("hdf5", "wfdb", "npz")
_FIRST = """
import sys, ecgsdk
model = sys.argv[1] or None
cohort = ecgsdk.Cohort.of(ecgsdk.Condition(("NORM",)))
batch = next(ecgsdk.load_generator(model, device="cpu").generate(cohort, 1))
writer = ecgsdk.open_writer(sys.argv[2], "hdf5", sampling_rate=batch.sampling_rate, total=1,
                            provenance=batch.provenance, overwrite=True)
with writer:
    writer.write(batch)
"""
_BULK = """
import sys
sys.path.insert(0, sys.argv[1])
from speed import greatest_resident_size, write_records
write_records(sys.argv[2] or None, int(sys.argv[3]), sys.argv[4], sampling_rate=float(sys.argv[5]))
print(greatest_resident_size())
"""


@click.command()
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("-n", "n", type=click.IntRange(min=64), default=2000, show_default=True, help="Records in bulk.")
@click.option("--single", type=click.IntRange(min=1), default=100, show_default=True, help="Records one at a time.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Repetitions in bulk, of "
              "which the best counts.")  # fmt: skip
@click.option("--full", is_flag=True, help="Also 10,000 records: the peak memory, and whether the rate stays.")
@click.option("--venv", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A fresh environment, of "
              "which the size of site-packages is printed.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    model: str | None,
    n: int,
    single: int,
    repeat: int,
    full: bool,
    venv: Path | None,
    seed: int,
    json_file: Path | None,
) -> None:
    """Measure speed and size on this machine's CPU."""
    figures = start_up(model)
    rates = find_model(model).card.sampling_rates
    with tempfile.TemporaryDirectory() as folder:
        # All in one, deleted at the end: for minutes, ext4 creates files more slowly where as many were deleted.
        for rate in rates:
            figures |= in_bulk(model, n, rate, repeat, seed, Path(folder))
    for rate in rates:
        figures[f"single_per_s_{rate:g}"] = one_at_a_time(model, single, rate, seed)
        for records in (n, 10_000) if full else (n,):
            figures[f"peak_memory_mb_{rate:g}_{records}"] = peak_memory(model, records, rate)
        if full:
            figures[f"long_per_s_{rate:g}"] = 10_000 / timed(partial(made, model, 10_000, rate, seed))
        figures |= arithmetic(model, figures, rate)
    if venv is not None:
        figures["install_mb"] = installed_size(venv)
    cores = available_cores()
    click.echo(
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, ecgsdk {ecgsdk.__version__}\n"
    )
    click.echo(table(figures))
    write_json(json_file, {"model": model, "n": n, "cores": cores, **figures})


def start_up(model: str | None) -> dict[str, float]:
    """Seconds of the command's help, and of a first record from a fresh process into a file."""
    with tempfile.TemporaryDirectory() as folder:
        first = [sys.executable, "-c", _FIRST, model or "", f"{folder}/first.h5"]
        return {
            "help_s": best_of(5, lambda: run([command(), "--help"])),
            "first_record_s": best_of(5, lambda: run(first)),
        }


def in_bulk(model: str | None, n: int, rate: float, repeat: int, seed: int, folder: Path) -> dict[str, float]:
    """Records a second made, and made and written as HDF5; and how much longer each format takes than making."""
    runs = [each_in_turn(model, n, rate, seed, folder / f"{rate:g}" / str(i)) for i in range(repeat)]
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    figures = {f"made_per_s_{rate:g}": n / best["made"], f"written_per_s_{rate:g}": n / best["hdf5"]}
    return figures | {f"writer_factor_{rate:g}_{name}": best[name] / best["made"] for name in FORMATS}


def each_in_turn(model: str | None, n: int, rate: float, seed: int, folder: Path) -> dict[str, float]:
    """Seconds of making, and of making and writing in each format, so that all suffer alike from what else runs."""
    folder.mkdir(parents=True)
    calls: dict[str, Callable[[], object]] = {"made": partial(made, model, n, rate, seed)}
    for name in FORMATS:
        calls[name] = partial(write_records, model, n, str(folder / name), format=name, sampling_rate=rate, seed=seed)
    return {name: timed(call) for name, call in calls.items()}


def made(model: str | None, n: int, rate: float, seed: int) -> None:
    """`n` records of the six groups in turn, from opening the model on, written nowhere."""
    generator = ecgsdk.load_generator(model, device="cpu")
    for _ in generator.generate(ecgsdk.Cohort.from_groups(GROUPS), n, seed=seed, sampling_rate=rate):
        pass


def write_records(
    model: str | None, n: int, path: str, *, sampling_rate: float, format: str = "hdf5", seed: int = 0
) -> None:
    """`n` records of the six groups in turn, from opening the model to the complete output."""
    generator = ecgsdk.load_generator(model, device="cpu")
    writer = ecgsdk.open_writer(
        path,
        format,
        sampling_rate=sampling_rate,
        total=n,
        provenance=generator.provenance(seed=seed),
        overwrite=True,
    )
    with writer as sink:
        for batch in generator.generate(ecgsdk.Cohort.from_groups(GROUPS), n, seed=seed, sampling_rate=sampling_rate):
            sink.write(batch)


def one_at_a_time(model: str | None, n: int, rate: float, seed: int) -> float:
    """Records a second when each is asked for by a call of its own; the model is open, nothing is written."""
    generator = ecgsdk.load_generator(model, device="cpu")
    cohort = ecgsdk.Cohort.from_groups(GROUPS)

    def call_each() -> None:
        for i in range(n):
            next(iter(generator.generate(cohort, 1, seed=seed, start=i, sampling_rate=rate)))

    return n / timed(call_each)


def peak_memory(model: str | None, n: int, rate: float) -> float:
    """Greatest resident size, in MB, of a fresh process that writes `n` records."""
    here = str(Path(__file__).resolve().parent)
    with tempfile.TemporaryDirectory() as folder:
        said = run([sys.executable, "-c", _BULK, here, model or "", str(n), f"{folder}/memory.h5", str(rate)])
    return int(said) / 1e6


def arithmetic(model: str | None, figures: dict[str, float], rate: float) -> dict[str, float]:
    """Operations of a record in millions, and the share of the matrix product's peak that making them reaches."""
    found = find_model(model)
    try:
        operations = record_operations(found, steps=found.card.steps, guidance=found.card.guidance, sampling_rate=rate)
    except click.ClickException as error:
        click.echo(error.message, err=True)
        return {}
    reached = operations * figures[f"made_per_s_{rate:g}"]
    share = reached / (available_cores() * matrix_product_peak())
    return {f"operations_millions_{rate:g}": operations / 1e6, f"share_of_peak_{rate:g}": share}


def greatest_resident_size() -> int:
    """Greatest resident size of this process so far, in bytes.

    Linux's `getrusage` also counts what the parent held when it started this process; /proc does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def installed_size(venv: Path) -> float:
    """Size of an environment's site-packages in MB, pip and setuptools left out."""
    folder = next((venv / "lib").glob("python*/site-packages"), venv / "Lib" / "site-packages")
    ours = [path for path in folder.iterdir() if not path.name.startswith(("pip", "setuptools", "_distutils"))]
    files = [file for path in ours for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def command() -> str:
    """The installed `ecgsdk` beside this Python."""
    found = Path(sys.executable).with_name("ecgsdk.exe" if os.name == "nt" else "ecgsdk")
    if not found.exists():
        raise click.ClickException(f"{found} is not there; install ecgsdk into this environment")
    return str(found)


def run(arguments: list[str]) -> str:
    """What a process prints; an error ends in the last line it said."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(done.stderr.strip().rpartition("\n")[2])
    return done.stdout


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def best_of(times: int, call: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls."""
    return min(timed(call) for _ in range(times))


def table(figures: dict[str, float]) -> str:
    """The figures beside their bounds."""
    rows = []
    for key, value in figures.items():
        text, sign, digits = described(key)
        bound = next((BOUNDS[name] for name in (key, *_shorter(key)) if name in BOUNDS), None)
        met = None if bound is None else (value >= bound if sign == "≥" else value <= bound)
        rows.append((text, round(value, digits), f"{sign} {bound:g}" if bound else "", "" if met is None else met))
    return markdown(("", "measured", "bound", "met"), rows)


def described(key: str) -> tuple[str, str, int]:
    """What stands in the table for a figure, which side of its bound is the good one, and decimals."""
    name = next(name for name in _TEXTS if key.startswith(name))
    text, sign, digits = _TEXTS[name]
    rate, _, more = key.removeprefix(name).strip("_").partition("_")
    return text.format(rate=rate, more=more), sign, digits


_TEXTS = {
    "help_s": ("`ecgsdk --help` (s)", "≤", 2),
    "first_record_s": ("first record written, cold process (s)", "≤", 2),
    "made_per_s": ("records/s made, {rate} Hz", "≥", 1),
    "written_per_s": ("records/s made and written to HDF5, {rate} Hz", "≥", 1),
    "long_per_s": ("records/s made, 10,000 of them, {rate} Hz", "≥", 1),
    "writer_factor": ("made and written / made, {rate} Hz, {more}", "≤", 2),
    "single_per_s": ("records/s one at a time, {rate} Hz", "≥", 1),
    "peak_memory_mb": ("peak memory, {more} records, {rate} Hz (MB)", "≤", 0),
    "operations_millions": ("million operations a record, {rate} Hz", "", 1),
    "share_of_peak": ("share of the matrix product's peak, {rate} Hz", "", 2),
    "install_mb": ("site-packages (MB)", "≤", 0),
}


def _shorter(key: str) -> list[str]:
    """The key without its last parts, one after another."""
    parts = key.split("_")
    return ["_".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]


if __name__ == "__main__":
    main()
