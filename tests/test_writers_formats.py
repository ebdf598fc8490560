"""What others find in the files: the wfdb package, h5py and np.load, each without ecgsdk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import wfdb

from ecgsdk.batch import ECGBatch
from ecgsdk.leads import LEADS
from ecgsdk.writers import open_writer


def write(path: Path, batch: ECGBatch, format: str | None = None) -> Path:
    facts = {"sampling_rate": batch.sampling_rate, "total": len(batch), "provenance": batch.provenance}
    with open_writer(path, format, **facts) as writer:  # type: ignore[arg-type]
        writer.write(batch)
    return path


def test_wfdb_package_reads_what_was_written(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", synthetic_batch, "wfdb")
    names = (folder / "RECORDS").read_text().split()
    assert names == ["000000", "000001", "000002", "000003", "000004"]
    for name, signals in zip(names, synthetic_batch.signals, strict=True):
        record = wfdb.rdrecord(str(folder / name))
        assert (record.fs, record.sig_len, record.sig_name) == (100, 300, list(LEADS))
        assert record.units == ["mV"] * 12
        assert record.adc_res == [16] * 12
        np.testing.assert_allclose(record.p_signal.T, signals, atol=0.00151)
        raw = wfdb.rdrecord(str(folder / name), physical=False)
        assert raw.checksum == raw.calc_checksum()
        assert raw.init_value == raw.d_signal[0].tolist()


def test_wfdb_comments_tell_condition_and_origin(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", synthetic_batch, "wfdb")
    assert wfdb.rdheader(str(folder / "000002")).comments == [
        "Identifier: 2",
        "Age: 81",
        "Sex: Male",
        "Statements: AFIB+LVH",
        "Heart rate: 110",
        "Synthetic ECG: ecgsdk 0.1.0",
        "Model: tiny",
        f"Model SHA-256: {'ab' * 32}",
        "Seed: 7",
        "Steps: 4",
        "Guidance: 1.5",
    ]


def test_wfdb_numbers_keep_all_their_digits(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    from ecgsdk.readers import read_ecgs

    exact = replace(synthetic_batch.conditions[0], heart_rate=110 + 1 / 3, age=64.123456789)
    batch = replace(synthetic_batch, sampling_rate=1000 / 3, conditions=(exact, *synthetic_batch.conditions[1:]))
    source = read_ecgs(write(tmp_path / "records", batch, "wfdb"))
    assert (source.sampling_rate, source.conditions) == (1000 / 3, batch.conditions)
    assert wfdb.rdheader(str(tmp_path / "records" / "000000")).fs == 1000 / 3


def test_wfdb_real_ecgs_are_not_called_synthetic(tmp_path: Path, real_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", real_batch, "wfdb")
    header = (folder / "000000.hea").read_text()
    assert "Synthetic" not in header
    assert header.splitlines()[0] == "000000 12 100 1000"
    assert header.splitlines()[1].split()[:6] == ["000000.dat", "16", "1000(0)/mV", "16", "0", "-29"]


def test_wfdb_comment_cannot_break_its_line(tmp_path: Path, real_batch: ECGBatch) -> None:
    batch = replace(real_batch, identifiers=("a\nr1.dat 16", *real_batch.identifiers[1:]))
    folder = write(tmp_path / "records", batch, "wfdb")
    assert wfdb.rdheader(str(folder / "000000")).comments[0] == "Identifier: a r1.dat 16"


def test_hdf5_layout(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    with h5py.File(write(tmp_path / "x.h5", synthetic_batch)) as file:
        assert set(file) == {"signals", "conditions"}
        signals = file["signals"]
        assert (signals.dtype, signals.shape, signals.compression) == (np.dtype("<i2"), (5, 12, 300), "gzip")
        millivolts = signals[:] * signals.attrs["millivolts_per_unit"]
        np.testing.assert_allclose(millivolts, synthetic_batch.signals, atol=0.00151)
        row = file["conditions"][2]
        assert (row["identifier"], row["statements"], row["sex"]) == (b"2", b"AFIB+LVH", b"M")
        assert (row["heart_rate"], row["age"]) == (110, 81)
        assert np.isnan(file["conditions"][0]["age"])
        attributes = dict(file.attrs)
    assert attributes.pop("leads").tolist() == list(LEADS)
    assert attributes == {
        "format": "ecgsdk",
        "format_version": 1,
        "sampling_rate": 100.0,
        "units": "mV after multiplication by millivolts_per_unit = 0.001",
        "synthetic": True,
        "model": "tiny",
        "model_sha256": "ab" * 32,
        "version": "0.1.0",
        "seed": 7,
        "steps": 4,
        "guidance": 1.5,
    }


def test_npz_layout(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    with np.load(write(tmp_path / "x.npz", synthetic_batch), allow_pickle=False) as archive:
        assert sorted(archive.files) == [
            "conditions",
            "leads",
            "provenance",
            "sampling_rate",
            "signals",
            "synthetic",
            "units",
        ]
        np.testing.assert_array_equal(archive["signals"], synthetic_batch.signals)
        assert archive["signals"].dtype == np.float32
        assert archive["leads"].tolist() == list(LEADS)
        assert archive["sampling_rate"] == 100
        assert archive["units"] == "mV"
        assert archive["synthetic"]
        assert json.loads(archive["conditions"][2]) == {
            "identifier": "2",
            "statements": ["AFIB", "LVH"],
            "heart_rate": 110.0,
            "age": 81.0,
            "sex": "M",
        }
        assert json.loads(str(archive["provenance"]))["model"] == "tiny"


def test_npz_of_real_ecgs_has_no_provenance(tmp_path: Path, real_batch: ECGBatch) -> None:
    with np.load(write(tmp_path / "x.npz", real_batch)) as archive:
        assert json.loads(str(archive["provenance"])) is None
        assert not archive["synthetic"]


@pytest.mark.parametrize("name", ["x.h5", "x.npz"])
def test_many_records_cross_all_block_sizes(tmp_path: Path, name: str, real_batch: ECGBatch) -> None:
    from ecgsdk.readers import read_ecgs

    with open_writer(tmp_path / name, sampling_rate=100, total=6 * 9, provenance=None) as writer:
        for _ in range(9):
            writer.write(real_batch)
    source = read_ecgs(tmp_path / name)
    for batch in source.batches(6):
        np.testing.assert_allclose(batch.signals, real_batch.signals, atol=1e-6)
        assert batch.conditions == real_batch.conditions
