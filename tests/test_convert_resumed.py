"""A conversion that was interrupted or killed goes on, and writes what an unbroken one would have written."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from click.testing import CliRunner

from ecgsdk.batch import ECGBatch
from ecgsdk.conversion import convert, resumable
from ecgsdk.errors import DataError, WriteError
from ecgsdk.leads import to_twelve
from ecgsdk.readers import ECGSource, read_ecgs
from ecgsdk.writers import open_writer
from ecgsdk.writers.atomic import parts_of, staging_path, stale_parts
from ecgsdk.writers.journal import JOURNAL
from ecgsdk_cli.main import main

FOLDERS = {"wfdb": "numpy", "csv": "numpy", "dicom": "pydicom", "edf": "edfio"}
COUNT = 12


@pytest.fixture
def source(tmp_path: Path, provenance) -> ECGSource:
    """Twelve synthetic records in an NPZ file."""
    from ecgsdk.conditions import Condition

    eight = np.random.default_rng(1).normal(scale=0.5, size=(COUNT, 8, 100)).astype(np.float32)
    conditions = tuple(Condition(("NORM",), age=float(40 + i)) for i in range(COUNT))
    names = tuple(f"é{i}" for i in range(COUNT))
    batch = ECGBatch(to_twelve(eight), 100.0, conditions, names, provenance)
    with open_writer(tmp_path / "x.npz", sampling_rate=100, total=COUNT, provenance=provenance) as writer:
        writer.write(batch)
    return read_ecgs(tmp_path / "x.npz")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgsdk.conversion._BATCH", 2)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stopped_at(source: ECGSource, position: int, error: BaseException) -> ECGSource:
    """The same source, whose record at a position stops whoever reads it, but for a look at the first and last."""

    def read(chosen):
        if position in chosen and list(chosen) != [0, COUNT - 1]:
            raise error
        return source.read(chosen)

    return replace(source, read=read)


def interrupt(source: ECGSource, output: Path, format: str, at: int = 7) -> None:
    with pytest.raises(KeyboardInterrupt):
        convert(stopped_at(source, at, KeyboardInterrupt()), output, format)


@pytest.mark.parametrize("format", FOLDERS)
def test_an_interrupted_folder_goes_on_to_the_same_bytes(source: ECGSource, tmp_path: Path, format: str) -> None:
    pytest.importorskip(FOLDERS[format])
    convert(source, tmp_path / "whole", format)
    output = tmp_path / "out"
    interrupt(source, output, format)
    assert not output.exists()
    assert resumable(output)
    lines: list[str] = []
    asked: list[int] = []
    reading = replace(source, read=lambda chosen: (asked.extend(chosen), source.read(chosen))[1])
    done: list[int] = []
    assert convert(reading, output, format, tell=lines.append, advance=done.append).total == sum(done) == COUNT
    assert lines == [f"goes on with {output} after 6 of {COUNT} records, which an interrupted run wrote"]
    assert min(asked[2:]) == 6
    assert contents(output) == contents(tmp_path / "whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "whole", "x.npz"]


@pytest.mark.parametrize("format", ["wfdb", "csv"])
def test_whatever_a_crash_does_to_the_part_the_output_is_the_same(
    source: ECGSource, tmp_path: Path, format: str
) -> None:
    random = Random(0)
    output, whole = tmp_path / "out", tmp_path / "whole"
    convert(source, whole, format)
    for _ in range(6 if format == "wfdb" else 3):
        interrupt(source, output, format, at=random.randrange(COUNT))
        for part in stale_parts(output):
            for name in random.sample(sorted(os.listdir(part)), min(2, len(os.listdir(part)))):
                kept = (part / name).read_bytes()
                (part / name).write_bytes(kept[: random.randint(0, len(kept))] + random.choice([b"", b"\n", b"\0" * 9]))
        convert(source, output, format)
        assert contents(output) == contents(whole)
        assert parts_of(output) == []
        shutil.rmtree(output)


def test_an_interruption_while_an_old_output_is_replaced_keeps_it(source: ECGSource, tmp_path: Path) -> None:
    output = tmp_path / "out"
    convert(source.select([0]), output, "wfdb")
    with pytest.raises(KeyboardInterrupt):
        convert(stopped_at(source, 7, KeyboardInterrupt()), output, "wfdb", overwrite=True)
    assert len(read_ecgs(output)) == 1
    convert(source, output, "wfdb", overwrite=True)
    assert len(read_ecgs(output)) == COUNT


@pytest.mark.parametrize("change", ["records", "length", "file", "unit", "format"])
def test_another_source_or_other_options_begin_anew(source: ECGSource, tmp_path: Path, change: str) -> None:
    output = tmp_path / "out"
    interrupt(source, output, "wfdb")
    other = {
        "records": source.select([*range(COUNT - 1), 0]),
        "length": replace(source, samples=50, read=lambda chosen: source.read(chosen)[..., :50]),
        "unit": replace(source, read=lambda chosen: source.read(chosen) / 2),
    }.get(change, source)
    if change == "file":
        os.utime(source.name, ns=(1, 1))
    lines: list[str] = []
    format = "csv" if change == "format" else "wfdb"
    convert(other, output, format, tell=lines.append)
    convert(other, tmp_path / "whole", format)
    assert len(lines) == 1
    assert lines[0].startswith(
        f"begins {output} anew; what an interrupted run left has another source or other options"
    )
    assert contents(output) == contents(tmp_path / "whole")
    assert parts_of(output) == []


class FullDisk:
    """A disk that has room for some more files, and after that for no byte more in any."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
        self._files = files
        self._write = Path.write_bytes
        monkeypatch.setattr(Path, "write_bytes", lambda path, data: self.write(path, data))

    def write(self, path: Path, data: bytes) -> int:
        self._files -= 1
        if self._files < 0:
            self._write(path, bytes(data)[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(path, data)


@pytest.mark.parametrize("batch", [2, 64])
@pytest.mark.parametrize("format", ["wfdb", "csv"])
def test_a_full_disk_leaves_what_there_is_room_for(
    source: ECGSource, tmp_path: Path, format: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgsdk.conversion._BATCH", batch)
    output, whole = tmp_path / "out", tmp_path / "whole"
    convert(source, whole, format)
    words = ["convert", source.name, "-o", str(output), "--format", format]
    with monkeypatch.context() as patched:
        FullDisk(patched, files=9 if format == "csv" else 18)
        result = CliRunner().invoke(main, words)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "No space left on device; free some space and try again; the same command goes on" in result.stderr
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 1, "there is still no room"
    assert len(parts_of(output)) == 1
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stderr) == (
        0, f"goes on with {output} after 9 of 12 records, which an interrupted run wrote\n"
    )  # fmt: skip
    assert contents(output) == contents(whole)
    assert parts_of(output) == []


def test_a_disk_that_is_full_before_the_first_record_leaves_nothing(
    source: ECGSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FullDisk(monkeypatch, files=0)
    with pytest.raises(WriteError, match="No space left on device"):
        convert(source, tmp_path / "out", "wfdb")
    assert parts_of(tmp_path / "out") == []


def test_an_old_folder_that_a_killed_process_set_aside_is_put_back(source: ECGSource, tmp_path: Path) -> None:
    output = tmp_path / "out"
    convert(source.select([0]), output, "wfdb")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    aside = tmp_path / f"{staging_path(output).name.rsplit('-', 1)[0].replace('.part-', '.old-')}-{ended.pid}"
    output.rename(aside)
    with pytest.raises(WriteError, match="exists already"):
        convert(source, output, "wfdb")
    assert len(read_ecgs(output)) == 1
    shutil.copytree(output, aside)
    convert(source, output, "wfdb", overwrite=True)
    assert len(read_ecgs(output)) == COUNT
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "x.npz"]


def test_an_error_leaves_nothing_to_go_on_with(source: ECGSource, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        convert(stopped_at(source, 7, DataError("damaged")), tmp_path / "out", "wfdb")
    assert parts_of(tmp_path / "out") == []


def test_an_interrupted_file_of_many_records_leaves_nothing(source: ECGSource, tmp_path: Path) -> None:
    for name in ("y.h5", "y.npz"):
        with pytest.raises(KeyboardInterrupt):
            convert(stopped_at(source, 7, KeyboardInterrupt()), tmp_path / name)
        assert not resumable(tmp_path / name)
        assert parts_of(tmp_path / name) == []


def test_the_parts_of_dead_processes_are_removed_and_those_of_living_ones_stay(
    source: ECGSource, tmp_path: Path
) -> None:
    output = tmp_path / "y.h5"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own = staging_path(output).name.rsplit("-", 1)[0]
    for number in (ended.pid, os.getppid()):
        (tmp_path / f"{own}-{number}").write_bytes(b"half")
    lines: list[str] = []
    convert(source, output, tell=lines.append)
    assert [part.name for part in parts_of(output)] == [f"{own}-{os.getppid()}"]
    assert len(lines) == 2


def test_a_part_that_grows_old_under_windows_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = staging_path(tmp_path / "y.h5").name.rsplit("-", 1)[0]
    (tmp_path / f"{part}-999999999").touch()
    assert len(stale_parts(tmp_path / "y.h5")) == 1
    monkeypatch.setattr("ecgsdk.writers.atomic.os.name", "nt")
    assert stale_parts(tmp_path / "y.h5") == []


SLOW = """
import sys, time
import ecgsdk.conversion as conversion
from ecgsdk.readers import read_ecgs
from dataclasses import replace
conversion._BATCH = 2
source = read_ecgs(sys.argv[1])
def read(chosen):
    time.sleep(0.05)
    return source.read(chosen)
conversion.convert(replace(source, read=read), sys.argv[2], "wfdb", tell=print)
"""


def test_a_killed_process_is_gone_on_with(source: ECGSource, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = [sys.executable, "-c", SLOW, source.name, str(output)]
    process = subprocess.Popen(words)
    deadline = time.monotonic() + 30
    while not any((part / "000005.hea").exists() for part in parts_of(output)) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    process.wait()
    assert not output.exists()
    assert any((part / JOURNAL).is_file() for part in parts_of(output))
    lines: list[str] = []
    convert(source, output, "wfdb", tell=lines.append)
    assert [line.split(" after ")[0] for line in lines] == [f"goes on with {output}"]
    convert(source, tmp_path / "whole", "wfdb")
    assert contents(output) == contents(tmp_path / "whole")


def test_the_command_says_that_it_goes_on(source: ECGSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, words = tmp_path / "out", ["convert", source.name, "-o", str(tmp_path / "out"), "--format", "wfdb"]
    with monkeypatch.context() as patched:
        patched.setattr("ecgsdk.read_ecgs", lambda *a, **k: stopped_at(source, 7, KeyboardInterrupt()))
        result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"interrupted; nothing was written to {output}; the same command goes on where it was" in result.stderr
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    assert f"goes on with {output} after 6 of 12 records" in result.stderr
    assert len(read_ecgs(output)) == COUNT
