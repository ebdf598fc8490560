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
from importlib.util import find_spec
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
FILES = {"hdf5": "h5py", "npz": "numpy", "parquet": "pyarrow"}
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
    """Two records each, and so are the blocks of files of many records."""
    monkeypatch.setattr("ecgsdk.conversion._BATCH", 2)
    monkeypatch.setattr("ecgsdk.writers.hdf5._CHUNK_BYTES", 2 * 12 * 100 * 2)
    monkeypatch.setattr("ecgsdk.writers.npz._BLOCK_BYTES", 2 * 12 * 100 * 4)
    if find_spec("pyarrow"):
        monkeypatch.setattr("ecgsdk.writers.parquet._ROW_GROUP_BYTES", 2 * 12 * 100 * 4)


def contents(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (output.iterdir() if output.is_dir() else [output])}


def assert_same(output: Path, whole: Path) -> None:
    if whole.is_dir():
        assert contents(output) == contents(whole)
    else:
        assert output.read_bytes() == whole.read_bytes()


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


@pytest.mark.parametrize("format", [*FOLDERS, *FILES])
def test_an_interrupted_output_goes_on_to_the_same_bytes(source: ECGSource, tmp_path: Path, format: str) -> None:
    pytest.importorskip((FOLDERS | FILES)[format])
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
    assert_same(output, tmp_path / "whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "whole", "x.npz"]


@pytest.mark.parametrize("format", ["wfdb", "csv", "hdf5", "npz"])
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
        assert_same(output, whole)
        assert parts_of(output) == []
        shutil.rmtree(output) if output.is_dir() else output.unlink()


def test_an_interruption_while_an_old_output_is_replaced_keeps_it(source: ECGSource, tmp_path: Path) -> None:
    output = tmp_path / "out"
    convert(source.select([0]), output, "wfdb")
    with pytest.raises(KeyboardInterrupt):
        convert(stopped_at(source, 7, KeyboardInterrupt()), output, "wfdb", overwrite=True)
    assert len(read_ecgs(output)) == 1
    convert(source, output, "wfdb", overwrite=True)
    assert len(read_ecgs(output)) == COUNT


@pytest.mark.parametrize("format", ["wfdb", "hdf5"])
@pytest.mark.parametrize("change", ["records", "length", "file", "unit", "format"])
def test_another_source_or_other_options_begin_anew(
    source: ECGSource, tmp_path: Path, change: str, format: str
) -> None:
    output = tmp_path / "out"
    interrupt(source, output, format)
    other = {
        "records": source.select([*range(COUNT - 1), 0]),
        "length": replace(source, samples=50, read=lambda chosen: source.read(chosen)[..., :50]),
        "unit": replace(source, read=lambda chosen: source.read(chosen) / 2),
    }.get(change, source)
    if change == "file":
        os.utime(source.name, ns=(1, 1))
    lines: list[str] = []
    format = {"wfdb": "csv", "hdf5": "npz"}[format] if change == "format" else format
    convert(other, output, format, tell=lines.append)
    convert(other, tmp_path / "whole", format)
    assert len(lines) == 1
    assert lines[0].startswith(
        f"begins {output} anew; what an interrupted run left has another source or other options"
    )
    assert_same(output, tmp_path / "whole")
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
@pytest.mark.parametrize(
    ("format", "files", "records"), [("wfdb", 18, 9), ("csv", 9, 9), ("npz", 4, 8), ("hdf5", 4, 8)]
)
def test_a_full_disk_leaves_what_there_is_room_for(
    source: ECGSource,
    tmp_path: Path,
    format: str,
    files: int,
    records: int,
    batch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ecgsdk.conversion._BATCH", batch)
    output, whole = tmp_path / "out", tmp_path / "whole"
    convert(source, whole, format)
    words = ["convert", source.name, "-o", str(output), "--format", format]
    with monkeypatch.context() as patched:
        FullDisk(patched, files)
        result = CliRunner().invoke(main, words)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "No space left on device; free some space and try again; the same command goes on" in result.stderr
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 1, "there is still no room"
    assert len(parts_of(output)) == 1
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stderr) == (
        0, f"goes on with {output} after {records} of 12 records, which an interrupted run wrote\n"
    )  # fmt: skip
    assert_same(output, whole)
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


def test_an_interruption_before_the_first_block_leaves_nothing(source: ECGSource, tmp_path: Path) -> None:
    interrupt(source, tmp_path / "out", "npz", at=1)
    assert not resumable(tmp_path / "out")
    assert parts_of(tmp_path / "out") == []


@pytest.mark.parametrize("where", ["ecgsdk.writers.hdf5.Hdf5Records.add", "ecgsdk.writers.writer.publish"])
def test_an_interruption_at_the_begin_or_end_of_what_goes_on_loses_nothing(
    source: ECGSource, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "out"
    interrupt(source, output, "hdf5")
    with monkeypatch.context() as patched:
        patched.setattr(where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            convert(source, output, "hdf5")
    lines: list[str] = []
    convert(source, output, "hdf5", tell=lines.append)
    records = 10 if where.endswith("publish") else 6
    assert lines == [f"goes on with {output} after {records} of {COUNT} records, which an interrupted run wrote"]
    convert(source, tmp_path / "whole", "hdf5")
    assert_same(output, tmp_path / "whole")
    assert parts_of(output) == []


def test_a_file_that_is_gone_on_with_says_the_same_of_each_record(ptbxl_folder: Path, tmp_path: Path) -> None:
    real, output = read_ecgs(ptbxl_folder), tmp_path / "out.h5"
    with pytest.raises(KeyboardInterrupt):
        convert(stopped_at(real, 4, KeyboardInterrupt()), output)
    assert resumable(output)
    convert(real, output)
    read = read_ecgs(output)
    assert (read.identifiers, read.provenance, read.sampling_rate) == (real.identifiers, None, 100)
    assert [condition.age for condition in read.conditions] == [condition.age for condition in real.conditions]
    np.testing.assert_allclose(read.read(range(6)), real.read(range(6)), atol=1e-6)


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
from importlib import import_module
import ecgsdk.conversion as conversion
from ecgsdk.readers import read_ecgs
from dataclasses import replace
conversion._BATCH = 2
for setting, value in zip(sys.argv[4::2], sys.argv[5::2]):
    setattr(import_module("ecgsdk.writers." + sys.argv[3]), setting, int(value))
source = read_ecgs(sys.argv[1])
def read(chosen):
    time.sleep(0.05)
    return source.read(chosen)
conversion.convert(replace(source, read=read), sys.argv[2], sys.argv[3], tell=print)
"""
SETTINGS = {"hdf5": "_CHUNK_BYTES", "npz": "_BLOCK_BYTES", "parquet": "_ROW_GROUP_BYTES"}


def kill_once(words: list[str], output: Path, name: str) -> None:
    """Kills the process that writes `output` as soon as its part holds a file of this name."""
    process = subprocess.Popen(words)
    deadline = time.monotonic() + 30
    while not any((part / name).exists() for part in parts_of(output)) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    process.wait()
    assert not output.exists()
    assert any((part / JOURNAL).is_file() for part in parts_of(output))


@pytest.mark.parametrize("format", FILES)
def test_a_killed_process_is_gone_on_with_in_a_file_of_real_records(
    ptbxl_folder: Path, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(FILES[format])
    monkeypatch.setattr(f"ecgsdk.writers.{format}.{SETTINGS[format]}", 1)
    output, real = tmp_path / "out", read_ecgs(ptbxl_folder)
    words = [sys.executable, "-c", SLOW, str(ptbxl_folder), str(output), format, SETTINGS[format], "1"]
    kill_once(words, output, "000000002.block")
    lines: list[str] = []
    convert(real, output, format, tell=lines.append)
    assert [line.split(" after ")[0] for line in lines] == [f"goes on with {output}"]
    convert(real, tmp_path / "whole", format)
    assert_same(output, tmp_path / "whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "whole"]


def test_a_killed_process_is_gone_on_with(source: ECGSource, tmp_path: Path) -> None:
    output = tmp_path / "out"
    kill_once([sys.executable, "-c", SLOW, source.name, str(output), "wfdb"], output, "000005.hea")
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
