"""EDF+ files as pyedflib sees them: signals, units, header fields, annotations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyedflib
import pytest

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS
from ecgsdk.writers import open_writer
from ecgsdk.writers.edf import data_record_samples


def write(path: Path, batch: ECGBatch, format: str | None = "edf") -> Path:
    facts = {"sampling_rate": batch.sampling_rate, "total": len(batch), "provenance": batch.provenance}
    with open_writer(path, format, **facts) as writer:  # type: ignore[arg-type]
        writer.write(batch)
    return path


def samples(path: Path) -> np.ndarray:
    with pyedflib.EdfReader(str(path)) as reader:
        return np.array([reader.readSignal(i) for i in range(reader.signals_in_file)])


def notes(path: Path) -> list[str]:
    with pyedflib.EdfReader(str(path)) as reader:
        onsets, _, texts = reader.readAnnotations()
        assert set(onsets) == {0}
        return list(texts)


def test_pyedflib_reads_the_samples(tmp_path: Path, real_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", real_batch)
    assert sorted(path.name for path in folder.iterdir()) == [f"{i:06d}.edf" for i in range(6)]
    for i, signals in enumerate(real_batch.signals):
        np.testing.assert_allclose(samples(folder / f"{i:06d}.edf") / 1000, signals, atol=1e-6)


def test_synthetic_samples_keep_the_lead_equations(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", synthetic_batch)
    for i, signals in enumerate(synthetic_batch.signals):
        microvolts = samples(folder / f"{i:06d}.edf")
        chosen = [0, 1, 6, 7, 8, 9, 10, 11]
        np.testing.assert_allclose(microvolts[chosen], signals[chosen] * 1000, atol=0.5005)
        np.testing.assert_array_equal(microvolts[0] + microvolts[2], microvolts[1])


def test_the_header_names_leads_units_and_rate(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    with pyedflib.EdfReader(str(write(tmp_path / "records", synthetic_batch) / "000002.edf")) as reader:
        assert reader.filetype == pyedflib.FILETYPE_EDFPLUS
        assert reader.getSignalLabels() == [f"ECG {lead}" for lead in LEADS]
        assert {reader.getPhysicalDimension(i) for i in range(12)} == {"uV"}
        assert reader.getSampleFrequencies().tolist() == [100] * 12
        assert reader.getNSamples().tolist() == [300] * 12
        assert (reader.getPatientName(), reader.getPatientCode()) == ("SYNTHETIC ECG", "2")
        assert reader.getSex() == "Male"
        assert (reader.getAdmincode(), reader.getEquipment()) == ("SYNTHETIC", "ecgsdk-0.1.0")


def test_provenance_and_condition_are_exact_in_an_annotation(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", synthetic_batch)
    for i, condition in enumerate(synthetic_batch.conditions):
        sentence, text = notes(folder / f"{i:06d}.edf")
        facts = json.loads(text)
        assert Provenance.from_dict(facts.pop("provenance")) == synthetic_batch.provenance
        marks = {"format": "ecgsdk", "format_version": 1, "synthetic": True, "identifier": str(i)}
        assert facts == {**marks, **condition.as_dict()}
        assert sentence.startswith("SYNTHETIC ECG, made by ecgsdk 0.1.0, model tiny, seed 7, record ")


def test_a_real_ecg_is_not_called_synthetic(tmp_path: Path, real_batch: ECGBatch) -> None:
    path = write(tmp_path / "records", real_batch) / "000000.edf"
    (text,) = notes(path)
    assert json.loads(text)["provenance"] is None
    assert b"SYNTHETIC" not in path.read_bytes()


def test_hostile_names_stay_within_their_fields(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    names = ("a b", "é" * 100, "line\nbreak\x14\x00", "x" * 2000, "")
    folder = write(tmp_path / "records", replace(synthetic_batch, identifiers=names))
    codes = []
    for path in sorted(folder.iterdir()):
        with pyedflib.EdfReader(str(path)) as reader:
            codes.append(reader.getPatientCode())
    assert codes[0] == "a b"  # the header's a_b, as pyedflib shows it
    assert max(map(len, codes)) == 40


def test_a_single_record_can_be_one_file(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    part = slice(3, 4)
    one = replace(
        synthetic_batch,
        signals=synthetic_batch.signals[part],
        conditions=synthetic_batch.conditions[part],
        identifiers=synthetic_batch.identifiers[part],
    )
    assert samples(write(tmp_path / "x.edf", one, None)).shape == (12, 300)


@pytest.mark.parametrize(
    ("count", "rate", "expected"),
    [
        (1000, 100.0, 1000),  # one data record of 10 s
        (5000, 500.0, 2500),  # the most below 61,440 bytes
        (10000, 1000.0, 2000),
        (1001, 100.0, 1001),  # no whole seconds
        (5000, 512.0, 1000),
        (4999, 500.0, 4999),  # a prime: one large data record rather than 4999 of one sample
        (5000, 360.0, None),  # 13.888… s
        (4000, 1000 / 3, 2000),  # 6 s, in spite of the last bits of the rate
        (4000, 200 / 3, 2000),
    ],
)
def test_data_records_make_up_the_ecg(count: int, rate: float, expected: int | None) -> None:
    assert data_record_samples(count, rate) == expected


@pytest.mark.parametrize(
    ("rate", "count"), [(512.0, 5000), (500.0, 4999), (250.0, 1250), (1000 / 3, 1000), (200 / 3, 400), (400 / 3, 400)]
)
def test_rates_and_lengths_are_read_back(tmp_path: Path, rate: float, count: int, synthetic_batch: ECGBatch) -> None:
    batch = replace(synthetic_batch, signals=np.zeros((5, 12, count), dtype=np.float32), sampling_rate=rate)
    with pyedflib.EdfReader(str(write(tmp_path / "x", batch) / "000000.edf")) as reader:
        assert reader.getSampleFrequency(0) == pytest.approx(rate, rel=1e-14)
        assert reader.getNSamples()[0] == count


def test_what_the_header_cannot_hold_is_refused(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    batch = replace(synthetic_batch, sampling_rate=257.3)
    with pytest.raises(WriteError, match="EDF\\+ cannot hold 300 samples at 257.3 Hz exactly; ask for a whole"):
        write(tmp_path / "x", batch)
    assert list(tmp_path.iterdir()) == []
