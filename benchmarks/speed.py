"""How fast and how small generating is: records a second, first record, peak memory, start of the command.

    pip install 'ecgsdk[cpu]'
    python benchmarks/speed.py -n 2000 --full

Records are 12 leads × 10 s at the model's first rate. Times of fresh processes are the best of five. Memory is the
greatest resident size of a fresh process that generates and writes HDF5.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tables import markdown, write_json
from tqdm import tqdm

import ecgsdk
from ecgsdk.conditions import GROUPS
from ecgsdk.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDS = {"first_record_s": 0.6, "peak_memory_mb": 200.0, "records_per_s": 50.0, "install_mb": 200.0}
_FIRST = """
import sys, ecgsdk
model = sys.argv[1] or None
cohort = ecgsdk.Cohort.of(ecgsdk.Condition(("NORM",)))
next(ecgsdk.load_generator(model, device="cpu").generate(cohort, 1))
"""
_BULK = """
import sys
sys.path.insert(0, sys.argv[1])
from speed import greatest_resident_size, write_records
write_records(sys.argv[2] or None, int(sys.argv[3]), sys.argv[4], quiet=True)
print(greatest_resident_size())
"""


@click.command()
@click.option("--model", metavar="NAME|FOLDER", help="Default: the shipped model.")
@click.option("-n", "n", type=click.IntRange(min=64), default=2000, show_default=True, help="Records in bulk.")
@click.option("--single", type=click.IntRange(min=1), default=100, show_default=True, help="Records one at a time.")
@click.option("--full", is_flag=True, help="Also the peak memory at 10,000 records.")
@click.option("--venv", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A fresh environment, of "
              "which the size of site-packages is printed.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    model: str | None, n: int, single: int, full: bool, venv: Path | None, seed: int, json_file: Path | None
) -> None:
    """Measure speed and size on this machine's CPU."""
    figures: dict[str, float] = {
        "help_s": best_of(5, lambda: run([command(), "--help"])),
        "first_record_s": best_of(5, lambda: run([sys.executable, "-c", _FIRST, model or ""])),
    }
    with tempfile.TemporaryDirectory() as folder:
        figures["records_per_s"] = n / timed(lambda: write_records(model, n, f"{folder}/bulk.h5", seed=seed))
    figures["single_per_s"] = one_at_a_time(model, single, seed)
    for records in (n, 10_000) if full else (n,):
        figures[f"peak_memory_mb_{records}"] = peak_memory(model, records)
    if venv is not None:
        figures["install_mb"] = installed_size(venv)
    cores = available_cores()
    click.echo(
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, ecgsdk {ecgsdk.__version__}\n"
    )
    click.echo(table(figures, n))
    write_json(json_file, {"model": model, "n": n, "cores": cores, **figures})


def write_records(model: str | None, n: int, path: str, *, seed: int = 0, quiet: bool = False) -> None:
    """`n` records of the six groups in turn, from opening the model to the complete HDF5 file."""
    generator = ecgsdk.load_generator(model, device="cpu")
    provenance = generator.provenance(seed=seed)
    rate = generator.card.sampling_rates[0]
    writer = ecgsdk.open_writer(path, "hdf5", sampling_rate=rate, total=n, provenance=provenance)
    with writer as sink, tqdm(total=n, desc="bulk", leave=False, mininterval=5, disable=quiet) as progress:
        for batch in generator.generate(ecgsdk.Cohort.from_groups(GROUPS), n, seed=seed):
            sink.write(batch)
            progress.update(len(batch))


def one_at_a_time(model: str | None, n: int, seed: int) -> float:
    """Records a second when each is asked for by a call of its own; the model is open, nothing is written."""
    generator = ecgsdk.load_generator(model, device="cpu")
    cohort = ecgsdk.Cohort.from_groups(GROUPS)

    def call_each() -> None:
        for i in range(n):
            next(iter(generator.generate(cohort, 1, seed=seed, start=i)))

    return n / timed(call_each)


def peak_memory(model: str | None, n: int) -> float:
    """Greatest resident size, in MB, of a fresh process that writes `n` records."""
    here = str(Path(__file__).resolve().parent)
    with tempfile.TemporaryDirectory() as folder:
        said = run([sys.executable, "-c", _BULK, here, model or "", str(n), f"{folder}/memory.h5"])
    return int(said) / 1e6


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


def table(figures: dict[str, float], n: int) -> str:
    """The figures beside their bounds."""
    names = {
        "records_per_s": (f"records/s, {n} in bulk, written to HDF5", "≥", 1),
        "single_per_s": ("records/s, one at a time", "", 1),
        "first_record_s": ("first record, fresh process (s)", "≤", 2),
        "help_s": ("`ecgsdk --help` (s)", "", 2),
        "install_mb": ("site-packages (MB)", "≤", 0),
    }
    rows = []
    for key, value in figures.items():
        memory = key.startswith("peak_memory_mb")
        name, sign, digits = names.get(key) or (f"peak memory, {key.rpartition('_')[2]} records (MB)", "≤", 0)
        bound = BOUNDS.get("peak_memory_mb" if memory else key)
        met = None if bound is None else (value >= bound if sign == "≥" else value <= bound)
        rows.append((name, round(value, digits), f"{sign} {bound:g}" if bound else "", "" if met is None else met))
    return markdown(("", "measured", "bound", "met"), rows)


if __name__ == "__main__":
    main()
