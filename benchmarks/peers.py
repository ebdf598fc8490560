"""ecgsdk beside the generators that one would pick instead: size, start, memory, speed, in one run on one machine.

    pip install '.[cpu]'
    python benchmarks/peers.py
    python benchmarks/peers.py --short --environments peers/
    python benchmarks/peers.py --index-url https://download.pytorch.org/whl/cpu --environments peers/ --json peers.json

Each package is installed into an environment of its own (3 GB together) from PyPI, ecgsdk from this folder. On
Debian, `apt install python3-venv` comes first. Every figure is the best of several repetitions; what does not install,
does not run or needs a download says so in its cell, and the rest goes on. `peers_inside.py` says how each package is
used. Peak memory is that of all processes together while records are written, shared pages counted once (Linux only).
The machine must be idle: PyTorch's threads wait for one another, and one busy core slows them many times over.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from peers_inside import TOOLS
from speed import best_of, installed_size, run
from tables import markdown, write_json

import ecgsdk
from ecgsdk.models import find_model
from ecgsdk.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["PEERS", "Peer", "Row", "main", "peak_memory", "ratio", "significant", "table"]

INSIDE = Path(__file__).resolve().with_name("peers_inside.py")
REPOSITORY = INSIDE.parent.parent
TORCH = "torch==2.13.0"
HEAD = ("", "record", "installed, MB", "first record, cold process, s", "peak memory, MB", "records/s, one at a time",
        "records/s, many at a time", "records/s, made and written")  # fmt: skip
# With one of these set for ecgsdk's sake, PyTorch would have fewer threads than the machine has cores.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_DISTRIBUTION = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "cli", "ecgsdk", "exported_models")
_SAMPLING_S = 0.02

Figure = float | str | None
"""A measured number, or why there is none."""


@dataclass(frozen=True)
class Peer:
    """A package to compare.

    Args:
        name: its distribution; a key of `peers_inside.TOOLS`.
        version: the pinned one; none: this repository's ecgsdk.
        torch: whether it needs PyTorch, which is installed first, from the index asked for.
        note: what must be known to read its figures.
    """

    name: str
    version: str | None
    torch: bool = False
    note: str = ""

    def requirements(self, source: str) -> list[list[str]]:
        """What each `pip install` is told, in turn; `source` is the folder of ecgsdk."""
        own = [f"{source}[cpu]" if self.version is None else f"{self.name}=={self.version}"]
        return [[TORCH], own] if self.torch else [own]


PEERS = (
    Peer("ecgsdk", None),
    Peer("deepfake-ecg", "1.1.2", torch=True, note="normal ECGs only; its writer makes one record at a time"),
    Peer("ecgen", "1.1.0", torch=True, note="its own weights need a download; measured with those in deepfake-ecg, "
         "whose network is the same"),
    Peer("neurokit2", "0.2.13", note="has no batches: many at a time is one process for each core; a record is "
         "`ecg_simulate(method=\"multileads\", sampling_rate=500)`"),
)  # fmt: skip


@dataclass
class Row:
    """What was measured of one tool at one sampling rate."""

    title: str
    record: Figure = None
    sampling_rate: float = 0.0
    installed_mb: Figure = None
    first_s: Figure = None
    memory_mb: Figure = None
    single_per_s: Figure = None
    bulk_per_s: dict[str, Figure] = field(default_factory=dict)
    written_per_s: dict[str, Figure] = field(default_factory=dict)
    written_records: int = 0

    def figures(self) -> list[Figure]:
        """One for each column after the first two; of several batch sizes or formats the fastest."""
        speeds = self.single_per_s, fastest(self.bulk_per_s), fastest(self.written_per_s)
        return [self.installed_mb, self.first_s, self.memory_mb, *speeds]


@click.command()
@click.option("--peer", "names", multiple=True, type=click.Choice([peer.name for peer in PEERS[1:]]),
              help="Only this one; can be given several times.")  # fmt: skip
@click.option("--short", is_flag=True, help="A few minutes beside the installation: `--seconds 2 -n 1` where they are "
              "not given.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=0.1), help="A measurement, at least; default: 10.")
@click.option("-n", "repetitions", type=click.IntRange(min=1), help="Repetitions, of which the best counts; start-up "
              "is measured two times more; default: 3.")  # fmt: skip
@click.option("--environments", type=click.Path(file_okay=False, path_type=Path), help="Keep the environments in this "
              "folder, and use those that are there.")  # fmt: skip
@click.option("--index-url", metavar="URL", help="Where pip finds PyTorch; the default is pip's, which on Linux may "
              "come with CUDA.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    names: tuple[str, ...],
    short: bool,
    seconds: float | None,
    repetitions: int | None,
    environments: Path | None,
    index_url: str | None,
    json_file: Path | None,
) -> None:
    """Measure ecgsdk and its peers in one run and print a Markdown table.

    Example: python benchmarks/peers.py --short --environments peers/
    """
    seconds, repetitions = seconds or (2.0 if short else 10.0), repetitions or (1 if short else 3)
    for name in _THREADS:
        os.environ.pop(name, None)
    chosen = [peer for peer in PEERS if not names or peer.name in (*names, "ecgsdk")]
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        folder = environments or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for peer in chosen:
            rows.extend(measure(peer, folder.resolve(), index_url, seconds, repetitions))
    cores, python = available_cores(), platform.python_version()
    click.echo(
        f"{platform.machine()}, {cores} cores, Python {python}; best of {repetitions}, start-up best of "
        f"{repetitions + 2}; times of `made and written` include opening the model\n"
    )
    click.echo(table(rows))
    click.echo("\n" + "\n".join(notes(chosen, index_url)))
    write_json(json_file, {"cores": cores, "python": python, "rows": [vars(row) for row in rows]})


def measure(peer: Peer, folder: Path, index_url: str | None, seconds: float, repetitions: int) -> list[Row]:
    """The rows of one tool: ours has one for each sampling rate that the shipped model makes."""
    rates = [TOOLS[peer.name].sampling_rate] if peer.version else find_model(None).card.sampling_rates
    title = f"{peer.name} {peer.version or ecgsdk.__version__}"
    click.echo(f"{title}: install", err=True)
    try:
        python = install(peer, folder, index_url)
    except click.ClickException as error:
        return [Row(title, record=failure("does not install", title, error))]
    size = installed_size(folder / peer.name)
    rows = []
    for rate in rates:
        name = title if len(rates) == 1 else f"{title}, {rate:g} Hz"
        told = [str(python), "-I", str(INSIDE), peer.name]
        rows.append(Row(name, installed_mb=size))
        measure_speed(rows[-1], told, [f"--sampling-rate={rate}", *weights(peer, folder)], seconds, repetitions)
    return rows


def measure_speed(row: Row, inside: list[str], options: list[str], seconds: float, repetitions: int) -> None:
    """Fills a row by runs of `peers_inside.py`; what fails becomes the reason in its cell."""

    def said(task: str, *more: str) -> dict[str, Any]:
        click.echo(f"{row.title}: {' '.join((task, *more))}", err=True)
        return answer(run([*inside, task, *options, f"--seconds={seconds}", *more]))

    def figure(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except MissingError as error:
            return str(error)
        except click.ClickException as error:
            return failure("fails", row.title, error)

    def repeated(task: str, *more: str) -> list[dict[str, Any]]:
        return [said(task, *more) for _ in range(repetitions)]

    def best(task: str) -> dict[str, float]:
        return fastest_of(run["per_s"] for run in repeated(task))

    first = figure(lambda: said("first"))
    if isinstance(first, str):  # nor would the rest run
        row.first_s = row.single_per_s = row.bulk_per_s[""] = row.written_per_s[""] = row.memory_mb = first
        return
    row.record, row.sampling_rate = record(first["shape"], first["sampling_rate"]), float(first["sampling_rate"])
    row.first_s = figure(lambda: best_of(repetitions + 2, lambda: said("first")))
    single = figure(lambda: best("single"))
    row.single_per_s = single if isinstance(single, str) else single["1"]
    bulk = figure(lambda: best("bulk"))
    row.bulk_per_s = {"": bulk} if isinstance(bulk, str) else bulk
    for file_format in TOOLS[inside[-1]].formats:
        runs = figure(partial(repeated, "write", f"--format={file_format}"))
        row.written_per_s[file_format] = runs if isinstance(runs, str) else max(run["per_s"] for run in runs)
        if not row.written_records and not isinstance(runs, str):
            row.written_records = int(runs[-1]["n"])
    told = [*inside, "write", *options, "-n", str(row.written_records)]
    row.memory_mb = figure(lambda: peak_memory(told)) if row.written_records else None


class MissingError(Exception):
    """What a tool lacks to run here, as it stands in the table."""


def answer(printed: str) -> dict[str, Any]:
    """The JSON object in the last line that `peers_inside.py` printed.

    Raises:
        MissingError: it says what the tool lacks.
        ClickException: there is none.
    """
    try:
        found = json.loads(printed.strip().rpartition("\n")[2])
    except ValueError:
        raise click.ClickException("it printed no figures") from None
    if "missing" in found:
        raise MissingError(found["missing"])
    return found


def failure(cell: str, title: str, error: click.ClickException) -> str:
    """Tells why on stderr; what stands in the table is short."""
    click.echo(f"{title} {cell}: {error.message}", err=True)
    return cell


def install(peer: Peer, folder: Path, index_url: str | None) -> Path:
    """The Python of the tool's environment, made if it is not there in full."""
    environment = folder / peer.name
    python = python_of(environment)
    complete = environment / "complete"
    if complete.exists():
        return python
    run([sys.executable, "-m", "venv", "--clear", str(environment)])
    with tempfile.TemporaryDirectory() as temporary:
        source = "" if peer.version else copied(Path(temporary) / "ecgsdk")
        for requirements in peer.requirements(source):
            index = ["--index-url", index_url] if index_url and requirements == [TORCH] else []
            run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *index, *requirements])
    complete.touch()
    return python


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def copied(target: Path) -> str:
    """A copy of ecgsdk to install from: pip would leave its build folder here, and read an older one."""
    for name in _DISTRIBUTION:
        source = REPOSITORY / name
        target.mkdir(exist_ok=True)
        shutil.copytree(source, target / name) if source.is_dir() else shutil.copy(source, target)
    return str(target)


def weights(peer: Peer, folder: Path) -> list[str]:
    """The options that name ecgen's weights, converted from deepfake-ecg's if that is installed."""
    if peer.name != "ecgen":
        return []
    source = next((folder / "deepfake-ecg").rglob("g_stat.pt"), None)
    if source is None:
        return []
    python, target = python_of(folder / peer.name), folder / peer.name / "weights.pt"
    try:
        run([str(python), "-I", str(INSIDE), "ecgen", "prepare", f"--weights={source}", f"--to={target}"])
    except click.ClickException as error:
        failure("cannot read deepfake-ecg's weights", peer.name, error)
        return []
    return [f"--weights={target}"]


def peak_memory(arguments: Sequence[str]) -> float | None:
    """Greatest size in MB, by samples, of a process and its descendants; none where there is no /proc."""
    peak = 0
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_size, descendants(process.pid))))
        time.sleep(_SAMPLING_S)
    if process.returncode:
        raise click.ClickException(f"it ended with exit code {process.returncode} while memory was measured")
    return peak / 1e6 or None


def descendants(process: int) -> list[int]:
    """A process and all that it and its children started, as far as they still run."""
    found = [process]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                found.extend(map(int, task.read_text().split()))
    return found


def proportional_size(process: int) -> int:
    """Bytes in memory of a process, of pages shared with others its part; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def fastest_of(runs: Iterable[dict[str, float]]) -> dict[str, float]:
    """The greatest figure of each batch size."""
    best: dict[str, float] = {}
    for figures in runs:
        best.update({size: max(figure, best.get(size, figure)) for size, figure in figures.items()})
    return best


def fastest(speeds: dict[str, Figure]) -> Figure:
    """The greatest number, or if there is none, why."""
    numbers = [speed for speed in speeds.values() if isinstance(speed, float)]
    return max(numbers) if numbers else next(iter(speeds.values()), None)


def record(shape: Sequence[int], rate: float) -> str:
    """What a record is; shape (1, leads, samples), rate in Hz."""
    return f"{shape[1]} leads × {shape[2] / rate:g} s, {rate:g} Hz"


def table(rows: Sequence[Row]) -> str:
    """The figures, then ours divided by each peer's."""
    ours = [row for row in rows if row.title.startswith("ecgsdk")]
    lines: list[list[object]] = [[row.title, row.record, *cells(row)] for row in rows]
    for peer in rows:
        if peer not in ours and ours:
            own = min(ours, key=lambda row: abs(row.sampling_rate - peer.sampling_rate))
            ratios = map(ratio, own.figures(), peer.figures())
            lines.append([f"{own.title} / {peer.title}", None, *ratios])
    return markdown(HEAD, lines)


def cells(row: Row) -> list[object]:
    """A row's figures as text; the fastest batch size and every format are named."""
    *plain, _, _ = (significant(figure) for figure in row.figures())
    bulk = fastest(row.bulk_per_s)
    size = next((size for size, speed in row.bulk_per_s.items() if speed == bulk), "")
    written = [f"{significant(speed)} {name}".strip() for name, speed in row.written_per_s.items()]
    return [*plain, f"{significant(bulk)} ({size})" if size else significant(bulk), ", ".join(written) or None]


def significant(figure: Figure, digits: int = 3) -> str | None:
    """A number to a few significant digits, 1073.4 as "1070"; words and what is unknown stay as they are."""
    return f"{float(f'{figure:.{digits}g}'):.15g}" if isinstance(figure, (int, float)) else figure


def ratio(ours: Figure, theirs: Figure) -> str | None:
    """Ours / theirs to two digits, none where either is no number."""
    if not isinstance(ours, (int, float)) or not isinstance(theirs, (int, float)) or not theirs:
        return None
    return significant(ours / theirs, 2)


def notes(peers: Sequence[Peer], index_url: str | None) -> list[str]:
    """How each tool was installed, and what must be known of it, as a Markdown list."""
    lines = [
        "- In brackets: how many at a time are fastest.",
        "- Ratios are ours / theirs: for size, start and memory less is better, for records/s more.",
    ]
    for peer in peers:
        torch = f"`pip install {TORCH}{f' --index-url {index_url}' if index_url else ''}`, then " if peer.torch else ""
        own = peer.requirements(".")[-1][0]
        lines.append(f"- {peer.name}: {torch}`pip install '{own}'`" + (f"; {peer.note}" if peer.note else ""))
    return lines


if __name__ == "__main__":
    main()
