"""DICOM files as pydicom sees them: the object, its codes and units, what it says of its origin, its samples."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.waveforms import multiplex_array

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS
from ecgsdk.readers import read_ptbxl
from ecgsdk.writers import open_writer
from ecgsdk.writers.dicom import PRIVATE_CREATOR, PRIVATE_GROUP

TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
AMBULATORY = "1.2.840.10008.5.1.4.1.1.9.1.3"


@pytest.fixture
def clinical(ptbxl_folder: Path) -> ECGBatch:
    """The six shipped records at 500 Hz."""
    return next(read_ptbxl(ptbxl_folder, sampling_rate=500).batches())


def write(path: Path, batch: ECGBatch, format: str | None = "dicom", **options: object) -> Path:
    facts = {"sampling_rate": batch.sampling_rate, "total": len(batch), "provenance": batch.provenance, **options}
    with open_writer(path, format, **facts) as writer:  # type: ignore[arg-type]
        writer.write(batch)
    return path


def test_pydicom_reads_the_samples(tmp_path: Path, clinical: ECGBatch) -> None:
    folder = write(tmp_path / "records", clinical)
    assert sorted(path.name for path in folder.iterdir()) == [f"{i:06d}.dcm" for i in range(6)]
    for i, signals in enumerate(clinical.signals):
        microvolts = multiplex_array(pydicom.dcmread(folder / f"{i:06d}.dcm"), 0)
        assert microvolts.shape == (5000, 12)
        np.testing.assert_allclose(microvolts.T / 1000, signals, atol=1e-6)


def test_synthetic_samples_keep_the_lead_equations(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", synthetic_batch)
    for i, signals in enumerate(synthetic_batch.signals):
        microvolts = multiplex_array(pydicom.dcmread(folder / f"{i:06d}.dcm"), 0).T
        chosen = [0, 1, 6, 7, 8, 9, 10, 11]
        np.testing.assert_allclose(microvolts[chosen], signals[chosen] * 1000, atol=0.5005)
        np.testing.assert_array_equal(microvolts[0] + microvolts[2], microvolts[1])
        assert np.abs(microvolts[3:6].sum(axis=0)).max() <= 1


def test_the_object_is_a_12_lead_ecg_with_standard_lead_codes(tmp_path: Path, clinical: ECGBatch) -> None:
    data = pydicom.dcmread(write(tmp_path / "records", clinical) / "000000.dcm")
    assert (data.SOPClassUID, data.Modality) == (TWELVE_LEAD, "ECG")
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    (group,) = data.WaveformSequence
    assert (group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency) == (12, 5000, 500)
    assert (group.WaveformBitsAllocated, group.WaveformSampleInterpretation) == (16, "SS")
    sources = [channel.ChannelSourceSequence[0] for channel in group.ChannelDefinitionSequence]
    assert [(s.CodeValue, s.CodingSchemeDesignator, s.CodeMeaning) for s in sources] == [
        (code.value, code.scheme_designator, code.meaning)
        for code in (
            codes.CID3001.LeadI,
            codes.CID3001.LeadII,
            codes.CID3001.LeadIII,
            codes.CID3001.AvrAugmentedVoltageRight,
            codes.CID3001.AvlAugmentedVoltageLeft,
            codes.CID3001.AvfAugmentedVoltageFoot,
            *(getattr(codes.CID3001, f"LeadV{i}") for i in range(1, 7)),
        )
    ]
    for lead, channel in zip(LEADS, group.ChannelDefinitionSequence, strict=True):
        assert channel.ChannelLabel == lead
        assert channel.ChannelSensitivity * channel.ChannelSensitivityCorrectionFactor == 1
        assert channel.ChannelSensitivityUnitsSequence[0].CodeValue == "uV"


@pytest.mark.parametrize(("rate", "samples", "expected"), [(500, 5000, TWELVE_LEAD), (200, 16385, AMBULATORY)])
def test_ecgs_beyond_the_12_lead_object_are_ambulatory_ones(
    tmp_path: Path, rate: int, samples: int, expected: str, synthetic_batch: ECGBatch
) -> None:
    part = slice(0, 1)
    batch = replace(
        synthetic_batch,
        signals=np.zeros((1, 12, samples), dtype=np.float32),
        sampling_rate=float(rate),
        conditions=synthetic_batch.conditions[part],
        identifiers=synthetic_batch.identifiers[part],
    )
    assert pydicom.dcmread(write(tmp_path / "x.dcm", batch, None)).SOPClassUID == expected


def test_the_usual_100_hz_is_an_ambulatory_ecg(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    assert pydicom.dcmread(write(tmp_path / "x", synthetic_batch) / "000000.dcm").SOPClassUID == AMBULATORY


@pytest.mark.parametrize("made", [False, True])
def test_slow_ecgs_become_12_lead_ones_that_say_so(
    tmp_path: Path, real_batch: ECGBatch, provenance, made: bool
) -> None:
    batch = replace(real_batch, provenance=provenance if made else None)
    lines: list[str] = []
    path = write(tmp_path / "x", batch, keep_rate=False, tell=lines.append) / "000000.dcm"
    said = f"{tmp_path / 'x'}: resampled from 100 to 500 Hz, as the format's usual object takes no 100 Hz"
    assert lines == [f"{said}; keep_rate= (--keep-rate) keeps it"]
    data = pydicom.dcmread(path)
    group = data.WaveformSequence[0]
    assert (data.SOPClassUID, group.SamplingFrequency, group.NumberOfWaveformSamples) == (TWELVE_LEAD, 500, 5000)
    assert group.WaveformOriginality == "DERIVED"
    assert {channel.FilterHighFrequency for channel in group.ChannelDefinitionSequence} == {50}
    described = data.StudyDescription if made else data.SeriesDescription
    assert described.endswith("12-lead ECG, resampled from 100 to 500 Hz")
    note = data.WaveformAnnotationSequence[-1].UnformattedTextValue
    assert note == "This ECG was resampled from 100 to 500 Hz; there is nothing above 50 Hz in it."
    # Every fifth sample is one that was there before.
    bound = 2.1 if made else 0.6
    np.testing.assert_allclose(multiplex_array(data, 0)[::5].T, real_batch.signals[0] * 1000, atol=bound)


def test_slow_ecgs_too_long_for_the_12_lead_object_keep_their_rate(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    batch = replace(synthetic_batch[:1], signals=np.zeros((1, 12, 3300), dtype=np.float32))
    assert pydicom.dcmread(write(tmp_path / "x.dcm", batch, None, keep_rate=False)).SOPClassUID == AMBULATORY


@pytest.mark.parametrize("rate", [40, 2000])
def test_rates_that_no_object_takes_are_refused(tmp_path: Path, rate: int) -> None:
    with pytest.raises(WriteError, match=f"cannot write {rate} Hz into .*DICOM holds ECGs of 50 to 1000 Hz; ask for"):
        open_writer(tmp_path / "x", "dicom", sampling_rate=rate, total=1, provenance=None)


def test_a_synthetic_ecg_says_so_everywhere(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    data = pydicom.dcmread(write(tmp_path / "records", synthetic_batch) / "000002.dcm")
    assert (data.SyntheticData, data.ContentQualification) == ("YES", "RESEARCH")
    assert data.WaveformSequence[0].WaveformOriginality == "DERIVED"
    assert (data.PatientName, data.PatientID) == ("SYNTHETIC^ECG", "tiny-7-2")
    assert (data.PatientSex, data.PatientAge) == ("M", "081Y")
    assert data.SeriesDescription == "SYNTHETIC ECG by tiny, seed 7"
    assert data.WaveformAnnotationSequence[0].UnformattedTextValue == (
        "SYNTHETIC ECG, made by ecgsdk 0.1.0, model tiny, seed 7, record 2; "
        "asked for: AFIB, LVH, 110 bpm, age 81, sex M."
    )


def test_a_resynthesised_ecg_says_what_is_known_of_its_source(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    made = Provenance("copyist", "ab" * 32, "0.1.0", seed=7, strength=1.5)
    data = pydicom.dcmread(write(tmp_path / "records", replace(synthetic_batch, provenance=made)) / "000002.dcm")
    assert data.WaveformAnnotationSequence[0].UnformattedTextValue == (
        "SYNTHETIC ECG, made by ecgsdk 0.1.0, model copyist, seed 7, record 2; "
        "of a real ECG, strength 1.5; known of that ECG: AFIB, LVH, 110 bpm, age 81, sex M."
    )


def test_provenance_and_condition_are_exact_in_json(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", synthetic_batch)
    for i, condition in enumerate(synthetic_batch.conditions):
        data = pydicom.dcmread(folder / f"{i:06d}.dcm")
        text = data.WaveformAnnotationSequence[1].UnformattedTextValue
        assert data.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)[0x01].value in (text, text.encode())
        facts = json.loads(text)
        assert Provenance.from_dict(facts.pop("provenance")) == synthetic_batch.provenance
        marks = {"format": "ecgsdk", "format_version": 1, "synthetic": True, "identifier": str(i)}
        assert facts == {**marks, **condition.as_dict()}


def test_a_real_ecg_is_not_called_synthetic(tmp_path: Path, clinical: ECGBatch) -> None:
    path = write(tmp_path / "records", clinical) / "000000.dcm"
    data = pydicom.dcmread(path)
    assert "SyntheticData" not in data
    assert "ContentQualification" not in data
    assert data.WaveformSequence[0].WaveformOriginality == "ORIGINAL"
    assert (data.PatientName, data.PatientID) == ("", clinical.identifiers[0])
    facts = json.loads(data.WaveformAnnotationSequence[0].UnformattedTextValue)
    assert (facts["synthetic"], facts["provenance"]) == (False, None)
    assert b"SYNTHETIC" not in path.read_bytes().upper().replace(b'"SYNTHETIC": FALSE', b"")


def test_uids_tell_records_apart_and_stay_the_same(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    other = replace(synthetic_batch, signals=synthetic_batch.signals * 0.5)
    found = []
    for name, batch in (("a", synthetic_batch), ("b", synthetic_batch), ("c", other)):
        folder = write(tmp_path / name, batch)
        found.append([pydicom.dcmread(path).SOPInstanceUID for path in sorted(folder.iterdir())])
    assert found[0] == found[1]
    assert len({*found[0], *found[2]}) == 10
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in found[0])


def test_hostile_names_stay_within_their_elements(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    names = ("a\\b", "é" * 100, "line\nbreak", "x" * 2000, "")
    folder = write(tmp_path / "records", replace(synthetic_batch, identifiers=names))
    read = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    patients = [str(data.PatientID)[:12] for data in read]
    assert patients == ["tiny-7-a/b", "tiny-7-ééééé", "tiny-7-line ", "tiny-7-xxxxx", "tiny-7-"]
    # An annotation has 1024 characters at most; the private element has the whole name.
    texts = [data.WaveformAnnotationSequence[1].UnformattedTextValue for data in read]
    assert [json.loads(text)["identifier"] for text in texts] == [*names[:3], "x" * 64, ""]
    whole = read[3].private_block(PRIVATE_GROUP, PRIVATE_CREATOR)[0x01].value
    assert json.loads(whole)["identifier"] == names[3]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("rate", [100, 500])
def test_dciodvfy_finds_no_error(tmp_path: Path, rate: int, ptbxl_folder: Path, provenance: Provenance) -> None:
    batch = next(read_ptbxl(ptbxl_folder, sampling_rate=rate).batches())
    for name, made in (("real", batch), ("synthetic", replace(batch, provenance=provenance))):
        for keep_rate in (True, False):
            path = write(tmp_path / f"{name}{keep_rate}", made, keep_rate=keep_rate) / "000000.dcm"
            said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False).stderr
            # Synthetic Data (0008,001C) is younger than many an installed dictionary.
            assert [line for line in said.splitlines() if line.startswith("Error") and "(0008,001c)" not in line] == []
