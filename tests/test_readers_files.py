"""HDF5 and NPZ files of foreign origin or damaged end in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgsdk.batch import ECGBatch
from ecgsdk.errors import DataError
from ecgsdk.readers import read_ecgs
from ecgsdk.writers import open_writer


@pytest.fixture
def written(synthetic_batch: ECGBatch, tmp_path: Path):
    """A function that writes `synthetic_batch` under a name."""

    def write(name: str) -> Path:
        provenance = synthetic_batch.provenance
        with open_writer(tmp_path / name, sampling_rate=100, total=5, provenance=provenance) as writer:
            writer.write(synthetic_batch)
        return tmp_path / name

    return write


def assert_refused(path: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        next(read_ecgs(path).batches())
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.h5", "x.npz"])
@pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, 0.98])
def test_truncated_file(written, name: str, kept: float) -> None:
    path = written(name)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    assert_refused(path, "damaged|cannot read|No data")


@pytest.mark.parametrize("name", ["x.h5", "x.npz"])
def test_file_of_something_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is a text\n" * 100)
    assert_refused(tmp_path / name, "damaged")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=name):
        read_ecgs(tmp_path / name)


def test_foreign_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["tracings"] = np.zeros((2, 100, 12))
    assert_refused(tmp_path / "x.h5", "not written by ecgsdk")


def test_later_hdf5(written) -> None:
    path = written("x.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    assert_refused(path, "later version")


@pytest.mark.parametrize("name", ["signals", "conditions"])
def test_hdf5_without_a_dataset(written, name: str) -> None:
    path = written("x.h5")
    with h5py.File(path, "r+") as file:
        del file[name]
    assert_refused(path, "damaged")


def test_hdf5_with_a_damaged_chunk(written) -> None:
    path = written("x.h5")
    with h5py.File(path) as file:
        chunk = file["signals"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + 50 : chunk.byte_offset + 150] = bytes(100)
    path.write_bytes(data)
    assert_refused(path, "damaged")


def test_hdf5_leads_are_taken_by_name(written, synthetic_batch: ECGBatch) -> None:
    path = written("x.h5")
    with h5py.File(path, "r+") as file:
        file.attrs.create("leads", [name.lower() for name in reversed(synthetic_batch.leads)])
    np.testing.assert_allclose(read_ecgs(path).read([1])[0], synthetic_batch.signals[1, ::-1], atol=0.0016)
    with h5py.File(path, "r+") as file:
        file.attrs.create("leads", ["X", "Y", "Z"])
    assert_refused(path, "lead 'X' is not one of")


def test_foreign_and_compressed_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", signals=np.zeros((2, 12, 5)))
    assert_refused(tmp_path / "x.npz", "not written by ecgsdk")
    arrays = {
        "signals": np.zeros((1, 12, 5), np.float32),
        "conditions": np.array([json.dumps({"identifier": "a", "statements": []})]),
        "leads": np.array(ECGBatch.leads),
        "sampling_rate": 100.0,
        "provenance": "null",
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    assert_refused(tmp_path / "x.npz", "signals are compressed")


def test_npz_with_pickles_is_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", leads=np.array([{}], dtype=object))
    assert_refused(tmp_path / "x.npz", "allow_pickle")


@pytest.mark.parametrize("name", ["x.h5", "x.npz"])
def test_any_records_in_any_order(written, synthetic_batch: ECGBatch, name: str) -> None:
    source = read_ecgs(written(name))
    for chosen in ([4, 0, 0], [2], [], range(1, 3)):
        np.testing.assert_allclose(source.read(chosen), synthetic_batch.signals[list(chosen)], atol=0.0016)


@pytest.mark.parametrize("name", ["x.h5", "x.npz"])
def test_rate_and_length_on_request(written, name: str) -> None:
    source = read_ecgs(written(name), sampling_rate=250, seconds=1)
    assert (source.sampling_rate, source.samples) == (250, 250)
    assert next(source.batches()).signals.shape == (5, 12, 250)
    with pytest.raises(DataError, match="shorter than the 4 s"):
        read_ecgs(source.name, seconds=4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_named_pipes_are_not_waited_for(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    for name in ("pipe", "pipe.csv", "records.csv", "pipe.dcm"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="understood are"):
        read_ecgs(tmp_path)
    with open_writer(tmp_path / "x.csv", sampling_rate=100, total=1, provenance=synthetic_batch.provenance) as writer:
        writer.write(synthetic_batch[:1])
    assert read_ecgs(tmp_path).identifiers == ("0",)
    for suffix in ("csv", "dcm", "edf", "h5", "npz", "parquet", "hea", "scp", "xml", "none"):
        os.mkfifo(tmp_path / f"x.{suffix}x.{suffix}")
        assert_refused(tmp_path / f"x.{suffix}x.{suffix}", "is neither a file nor a folder")
