"""What all output formats promise: what is written is read back; nothing stands half written under its name."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from ecgsdk import limits
from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import Condition
from ecgsdk.errors import RuntimeSetupError, WriteError
from ecgsdk.readers import read_ecgs
from ecgsdk.writers import Writer, open_writer
from ecgsdk.writers.formats import BUILT_IN
from ecgsdk.writers.writer import Header

FOLDERS = ["dicom", "edf", "csv"]
FILES = ["ecgs.h5", "ecgs.npz", "ecgs.parquet"]
NAMES = [*FILES, "ecgs/", *FOLDERS]


def split(batch: ECGBatch, size: int) -> list[ECGBatch]:
    parts = [slice(first, first + size) for first in range(0, len(batch), size)]
    return [
        replace(
            batch, signals=batch.signals[part], conditions=batch.conditions[part], identifiers=batch.identifiers[part]
        )
        for part in parts
    ]


def write(path: str | Path, batch: ECGBatch, size: int = 2, **options: bool) -> None:
    facts = {"sampling_rate": batch.sampling_rate, "total": len(batch), "provenance": batch.provenance}
    write_parts(open_named(path, **facts, **options), split(batch, size))


def open_named(path: str | Path, **facts: object) -> Writer:
    """Folders other than WFDB's are named after their format."""
    name = Path(path).name
    return open_writer(path, name if name in FOLDERS else None, **facts)  # type: ignore[arg-type]


def write_parts(writer: Writer, parts: list[ECGBatch], error: BaseException | None = None) -> None:
    with writer:
        for part in parts:
            writer.write(part)
        if error is not None:
            raise error


def target(folder: Path, name: str) -> str:
    return f"{folder}/{name}"


def contents(path: str) -> bytes:
    files = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
    return b"".join(file.name.encode() + file.read_bytes() for file in files)


def assert_same(source_path: str, batch: ECGBatch, tolerance: float) -> None:
    source = read_ecgs(source_path)
    assert (source.sampling_rate, source.identifiers) == (batch.sampling_rate, batch.identifiers)
    assert (source.conditions, source.provenance) == (batch.conditions, batch.provenance)
    assert source.synthetic == batch.synthetic
    joined = np.concatenate([part.signals for part in source.batches(4)])
    np.testing.assert_allclose(joined, batch.signals, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_synthetic_ecgs_are_read_back(tmp_path: Path, name: str, size: int, synthetic_batch: ECGBatch) -> None:
    write(target(tmp_path, name), synthetic_batch, size)
    assert_same(target(tmp_path, name), synthetic_batch, 0 if name == "ecgs.npz" else 0.00151)
    assert os.listdir(tmp_path) == [name.rstrip("/")]


@pytest.mark.parametrize("name", NAMES)
def test_real_ecgs_are_read_back_exactly(tmp_path: Path, name: str, real_batch: ECGBatch) -> None:
    write(target(tmp_path, name), real_batch)
    assert_same(target(tmp_path, name), real_batch, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_independent_leads_are_within_half_a_unit(tmp_path: Path, name: str, synthetic_batch: ECGBatch) -> None:
    write(target(tmp_path, name), synthetic_batch)
    signals = read_ecgs(target(tmp_path, name)).read(range(5))
    chosen = [0, 1, 6, 7, 8, 9, 10, 11]
    np.testing.assert_allclose(signals[:, chosen], synthetic_batch.signals[:, chosen], atol=0.5005e-3)
    np.testing.assert_allclose(signals[:, 0] + signals[:, 2], signals[:, 1], atol=1e-5)


def test_same_records_make_the_same_bytes(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    first = {}
    for name in NAMES:
        write(target(tmp_path, name), synthetic_batch, size=2)
        first[name] = contents(target(tmp_path, name))
    time.sleep(1.1)  # a time stamp of one second's resolution would differ
    for name in NAMES:
        write(target(tmp_path, name), synthetic_batch, size=3, overwrite=True)
        assert contents(target(tmp_path, name)) == first[name], name


@pytest.mark.parametrize("name", NAMES)
def test_existing_output_is_kept_unless_told_otherwise(tmp_path: Path, name: str, synthetic_batch: ECGBatch) -> None:
    path = target(tmp_path, name)
    write(path, synthetic_batch)
    before = contents(path)
    with pytest.raises(WriteError, match="exists already"):
        open_named(path, sampling_rate=100, total=5, provenance=None)
    assert contents(path) == before
    small = split(synthetic_batch, 1)[2]
    write(path, small, overwrite=True)
    assert len(contents(path)) < len(before)
    assert os.listdir(tmp_path) == [name.rstrip("/")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
@pytest.mark.parametrize("after", [0, 1])
def test_interruption_leaves_nothing(
    tmp_path: Path, name: str, error: type[BaseException], after: int, synthetic_batch: ECGBatch
) -> None:
    path = target(tmp_path, name)
    writer = open_named(path, sampling_rate=100, total=5, provenance=synthetic_batch.provenance)
    with pytest.raises(error):
        write_parts(writer, split(synthetic_batch, 2)[:after], error())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_interruption_of_an_overwrite_keeps_the_old(tmp_path: Path, name: str, synthetic_batch: ECGBatch) -> None:
    path = target(tmp_path, name)
    write(path, synthetic_batch)
    before = contents(path)
    writer = open_named(path, sampling_rate=100, total=5, provenance=synthetic_batch.provenance, overwrite=True)
    with pytest.raises(KeyboardInterrupt):
        write_parts(writer, split(synthetic_batch, 2)[:1], KeyboardInterrupt())
    assert contents(path) == before
    assert os.listdir(tmp_path) == [name.rstrip("/")]


@pytest.mark.parametrize("name", NAMES)
def test_failing_exchange_keeps_the_old(
    tmp_path: Path, name: str, synthetic_batch: ECGBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = target(tmp_path, name)
    write(path, synthetic_batch)
    before = contents(path)
    exchange = os.replace

    def fail(source: Path, destination: Path) -> None:
        if ".part-" in str(source):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        exchange(source, destination)

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(WriteError, match="cannot write .*Input/output error"):
        write(path, synthetic_batch, overwrite=True)
    assert contents(path) == before
    assert os.listdir(tmp_path) == [name.rstrip("/")]


@pytest.mark.parametrize("name", NAMES)
def test_too_few_or_too_many_records_leave_nothing(tmp_path: Path, name: str, synthetic_batch: ECGBatch) -> None:
    for total, message in ((6, "5 of 6 records"), (4, "more than the 4 records")):
        writer = open_named(
            target(tmp_path, name), sampling_rate=100, total=total, provenance=synthetic_batch.provenance
        )
        with pytest.raises(WriteError, match=message):
            write_parts(writer, split(synthetic_batch, 2))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("ecgs.h5", "ecgsdk.writers.disk.Disk._put"),
        ("ecgs.npz", "zipfile._ZipWriteFile.write"),
        ("ecgs/", "pathlib.Path.write_bytes"),
        ("dicom", "pathlib.Path.write_bytes"),
        ("ecgs.parquet", "ecgsdk.writers.parquet.ParquetRecords.add"),
    ],
)
def test_full_disk_ends_in_one_line(
    tmp_path: Path, name: str, where: str, synthetic_batch: ECGBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(where, full)
    with pytest.raises(WriteError, match="No space left on device; free some space") as caught:
        write(target(tmp_path, name), synthetic_batch)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


FILE_LIMIT = """
import resource, sys
import numpy as np
from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import Condition
from ecgsdk.errors import RuntimeSetupError, WriteError
from ecgsdk.writers import open_writer
noise = np.random.default_rng(0).normal(size=(16, 12, 1000)).astype("f4")
batch = ECGBatch(noise, 100.0, (Condition(),) * 16, ("x",) * 16)
writer = open_writer(sys.argv[1], sampling_rate=100, total=64, provenance=None)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    with writer:
        for _ in range(4):
            writer.write(batch)
except WriteError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
@pytest.mark.parametrize("name", [*FILES, "ecgs/"])
@pytest.mark.parametrize("limit", [1500, 500_000])
def test_process_survives_a_file_system_that_takes_no_more(tmp_path: Path, name: str, limit: int) -> None:
    limit = limit if "." in name else min(limit, 20_000)
    command = [sys.executable, "-W", "error", "-c", FILE_LIMIT, target(tmp_path, name), str(limit)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [f"cannot write {tmp_path}/{name.rstrip('/')}: File too large"]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ecgs.txt", {}, "the format of .*ecgs.txt is not clear"),
        ("ecgs", {}, "not clear"),
        ("ecgs.h5", {"format": "mp3"}, "unknown format 'mp3'; known: hdf5, npz, parquet, wfdb, dicom, edf, csv"),
        ("ecgs.dcm", {}, r"cannot write 5 records into .*: a \.dcm file holds one; name a folder, with --format dicom"),
        ("ecgs.EDF", {"format": "edf"}, "a .EDF file holds one"),
        ("ecgs.csv", {}, "with --format csv"),
        ("ecgs.h5", {"total": 0}, "no records"),
        ("gone/ecgs.h5", {}, "gone does not exist"),
        ("folder.h5", {"overwrite": True}, "is a folder"),
        ("file/", {"overwrite": True}, "is a file"),
        ("folder.h5/", {"overwrite": True}, "holds other files too"),
        ("records.h5", {"format": "wfdb", "overwrite": True}, "holds other files too"),
        ("tables", {"format": "csv", "overwrite": True}, "holds other files too"),
    ],
)
def test_impossible_targets_are_refused_at_once(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    for file in ("folder.h5/thesis.doc", "records.h5/100.dat", "tables/measurements.csv"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    (tmp_path / "file").touch()
    facts: dict[str, object] = {"sampling_rate": 100, "total": 5, "provenance": None, **options}
    with pytest.raises(WriteError, match=message):
        open_writer(target(tmp_path, name), **facts)  # type: ignore[arg-type]
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.h5", "records.h5", "tables"]


def test_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(WriteError, match="no permission"):
        open_writer(tmp_path / "ecgs.h5", sampling_rate=100, total=5, provenance=None)


def test_format_can_be_named(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    facts = {"sampling_rate": 100.0, "total": 5, "provenance": synthetic_batch.provenance}
    with open_writer(tmp_path / "records", "wfdb", **facts) as writer:  # type: ignore[arg-type]
        writer.write(synthetic_batch)
    assert len(read_ecgs(tmp_path / "records")) == 5


@pytest.mark.parametrize("suffix", [".dcm", ".edf", ".csv"])
def test_a_single_record_can_be_one_file(tmp_path: Path, suffix: str, synthetic_batch: ECGBatch) -> None:
    one = split(synthetic_batch, 1)[1]
    write(tmp_path / f"ecg{suffix}", one)
    assert (tmp_path / f"ecg{suffix}").is_file()
    with pytest.raises(WriteError, match="exists already"):
        write(tmp_path / f"ecg{suffix}", one)
    write(tmp_path / f"ecg{suffix}", one, overwrite=True)
    assert os.listdir(tmp_path) == [f"ecg{suffix}"]
    assert_same(str(tmp_path / f"ecg{suffix}"), one, 0.00151)


@pytest.mark.parametrize(
    ("format", "package", "title"),
    [("dicom", "pydicom", "DICOM"), ("edf", "edfio", "EDF+"), ("parquet", "pyarrow", "Parquet")],
)
def test_a_missing_package_ends_in_one_line_before_any_work(
    tmp_path: Path, format: str, package: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"ecgsdk.writers.{format}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeSetupError) as caught:
        open_writer(tmp_path / "x", format, sampling_rate=500, total=5, provenance=None)
    assert str(caught.value) == f'writing {title} needs {package}; run: pip install "ecgsdk[{format}]"'


def test_batches_must_fit_the_writer(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    span = replace(synthetic_batch, conditions=(Condition(heart_rate=(60.0, 90.0)),) * 5)
    wrong = [
        replace(synthetic_batch, sampling_rate=500.0),
        replace(synthetic_batch, provenance=None),
        span,
    ]
    for batch in wrong:
        writer = open_writer(tmp_path / "x.h5", sampling_rate=100, total=5, provenance=synthetic_batch.provenance)
        with pytest.raises(ValueError, match="differs|span"), writer:
            writer.write(batch)
    parts = split(synthetic_batch, 2)
    writer = open_writer(tmp_path / "x.h5", sampling_rate=100, total=5, provenance=synthetic_batch.provenance)
    with pytest.raises(ValueError, match="differs"):
        write_parts(writer, [parts[0], replace(parts[1], signals=parts[1].signals[:, :, :100])])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(
    tmp_path: Path, name: str, value: float, synthetic_batch: ECGBatch
) -> None:
    synthetic_batch.signals[3, 7, 50] = value
    with pytest.raises(WriteError, match="record 3: lead V2 is not finite"):
        write(target(tmp_path, name), synthetic_batch)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["ecgs.h5", "ecgs.parquet", "ecgs/", *FOLDERS])
def test_a_sample_that_16_bits_do_not_hold_is_refused(tmp_path: Path, name: str, real_batch: ECGBatch) -> None:
    real_batch.signals[3, 7, 50] = 50.0
    with pytest.raises(WriteError, match=f"record {real_batch.identifiers[3]}: lead V2 goes beyond ±32.767 mV"):
        write(target(tmp_path, name), real_batch)
    assert os.listdir(tmp_path) == []
    real_batch.signals[3, 7, 50] = -32.767
    write(target(tmp_path, name), real_batch)
    assert read_ecgs(target(tmp_path, name)).read([3])[0, 7, 50] == pytest.approx(-32.767)


@pytest.mark.parametrize(
    ("format", "samples", "where"),
    [
        ("hdf5", 11_184_811, "256 MiB that a chunk of an HDF5 file"),
        ("parquet", 11_184_811, "512 MiB that a row group of a Parquet file"),
        ("dicom", 2_793_473, "64 MiB that a DICOM file"),
        ("edf", 2_796_203, "64 MiB that a data record of an EDF file"),  # a prime: one data record
        ("csv", 900_000, "64 MiB that a CSV file"),
    ],
)
def test_a_record_larger_than_is_read_is_not_written(tmp_path: Path, format: str, samples: int, where: str) -> None:
    sink = BUILT_IN[format].sink(folder=True)
    with pytest.raises(WriteError, match=f"one record takes more than the {where} may have; shorten the records"):
        sink(tmp_path / "x", Header(500.0, 1, samples, None))
    assert os.listdir(tmp_path) == []


def test_the_only_file_of_a_record_is_larger_than_its_table_of_samples(tmp_path: Path) -> None:
    signals = np.zeros((1, 12, 600_000), dtype=np.float32)
    batch = ECGBatch(signals, 500.0, (Condition(("NORM",)),), ("a" * 50,))
    with pytest.raises(WriteError, match="one record takes more than the 64 MiB that a CSV file may have"):
        write(tmp_path / "x.csv", batch)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("module", "name", "largest"),
    [
        ("csv", "_LARGEST", limits.LARGEST_CSV),
        ("dicom", "_LARGEST", limits.LARGEST_DICOM),
        ("edf", "_LARGEST_RECORD", limits.LARGEST_EDF_DATA_RECORD),
        ("hdf5", "_LARGEST_CHUNK", limits.LARGEST_HDF5_CHUNK),
        ("parquet", "_LARGEST_GROUP", limits.LARGEST_PARQUET_GROUP),
    ],
)
def test_readers_and_writers_have_the_same_limits(module: str, name: str, largest: int) -> None:
    assert getattr(import_module(f"ecgsdk.readers.{module}"), name, largest) == largest


def test_links_and_devices_are_not_overwritten(tmp_path, synthetic_batch, provenance):
    (tmp_path / "real.h5").write_bytes(b"data")
    (tmp_path / "link.h5").symlink_to(tmp_path / "real.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path / "link.h5", tmp_path / "pipe.h5"):
        with pytest.raises(WriteError, match="link or a device"):
            open_writer(path, "hdf5", sampling_rate=100.0, total=5, provenance=provenance, overwrite=True).__enter__()
    assert (tmp_path / "real.h5").read_bytes() == b"data"
    assert (tmp_path / "link.h5").is_symlink()
