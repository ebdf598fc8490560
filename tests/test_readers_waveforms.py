"""DICOM and EDF files of other programs: groups, codes, sensitivities and further channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS, to_eight, to_twelve
from ecgsdk.readers import read_ecgs

MICROVOLTS = np.random.default_rng(5).integers(-900, 900, (12, 100)).astype(np.int16)
NUMBERS = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)


def dicom(path: Path, change=lambda data: None, units: np.ndarray = MICROVOLTS) -> Path:
    """A DICOM ECG whose leads have SCP-ECG codes, with median beats in a second group, as some carts write it."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset

    data, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    data.SOPInstanceUID = "2.25.7"
    data.PatientName, data.PatientID, data.PatientAge, data.PatientSex = "Doe^Jane", "12345", "018M", "F"
    data.WaveformSequence = [group(units), group(units[:, :50] // 2)]
    change(data)
    data.file_meta = meta
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def group(units: np.ndarray):
    from pydicom.dataset import Dataset

    made = Dataset()
    made.NumberOfWaveformChannels, made.NumberOfWaveformSamples = units.shape
    made.SamplingFrequency = "250"
    made.WaveformBitsAllocated, made.WaveformSampleInterpretation = 16, "SS"
    made.ChannelDefinitionSequence = [channel(number) for number in NUMBERS[: len(units)]]
    made.WaveformData = np.ascontiguousarray(units.T, dtype="<i2").tobytes()
    return made


def channel(number: int):
    from pydicom.dataset import Dataset

    made, source, unit = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = f"5.6.3-9-{number}", "SCPECG", "a lead"
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "mV", "UCUM", "millivolt"
    made.ChannelSourceSequence, made.ChannelSensitivityUnitsSequence = [source], [unit]
    made.ChannelSensitivity, made.ChannelSensitivityCorrectionFactor, made.ChannelBaseline = "0.002", "1.5", "0.25"
    return made


def test_codes_sensitivity_and_baseline(tmp_path: Path) -> None:
    source = read_ecgs(dicom(tmp_path / "image"))
    assert (source.sampling_rate, source.samples, source.identifiers) == (250, 100, ("image",))
    assert source.conditions == (Condition(age=1.5, sex="F"),)
    np.testing.assert_allclose(source.read([0])[0], MICROVOLTS * 0.003 + 0.25, rtol=1e-5)


def test_labels_where_there_are_no_codes(tmp_path: Path) -> None:
    def change(data):
        for lead, channel in zip(LEADS, data.WaveformSequence[0].ChannelDefinitionSequence):
            source = channel.ChannelSourceSequence[0]
            source.CodeValue, source.CodeMeaning = "x", f"Lead {lead} (Einthoven)" if len(lead) < 3 else ""
            channel.ChannelLabel = "" if len(lead) < 3 else lead.upper()

    signals = read_ecgs(dicom(tmp_path / "x.dcm", change)).read([0])[0]
    np.testing.assert_allclose(signals, MICROVOLTS * 0.003 + 0.25, rtol=1e-5)


def test_a_dicom_file_without_sensitivity_is_asked_for_its_unit(tmp_path: Path) -> None:
    def change(data):
        for channel in data.WaveformSequence[0].ChannelDefinitionSequence:
            del channel.ChannelSensitivity

    path = dicom(tmp_path / "x.dcm", change)
    with pytest.raises(DataError, match="--input-unit"):
        read_ecgs(path).read([0])
    np.testing.assert_allclose(read_ecgs(path, input_unit="4 uV").read([0])[0], MICROVOLTS * 0.004, rtol=1e-5)


@pytest.mark.parametrize("implicit", [True, False])
def test_samples_of_the_padding_value_are_no_voltages(tmp_path: Path, implicit: bool) -> None:
    units = MICROVOLTS.copy()
    units[4, 90:] = -32768
    units[5, 3] = 0

    def padded(value: bytes):
        def change(data) -> None:
            for group in data.WaveformSequence:
                group.add_new("WaveformPaddingValue", "OW", value)

        path = dicom(tmp_path / "x.dcm", change, units)
        if not implicit:
            pydicom = pytest.importorskip("pydicom")
            data = pydicom.dcmread(path)
            data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=True)
        return read_ecgs(path)

    with pytest.raises(DataError, match=r"x\.dcm: lead aVL has samples that are no numbers; leave the record out"):
        padded(b"\x00\x80").read([0])
    # What lies behind the seconds that are asked for does not matter.
    whole = read_ecgs(tmp_path / "x.dcm", seconds=0.36)
    np.testing.assert_allclose(whole.read([0])[0], units[:, :90] * 0.003 + 0.25, rtol=1e-5)
    # A padding value of 0, or one that no sample has, takes nothing away.
    for value in (b"\0\0", b"\x01\x80"):
        np.testing.assert_allclose(padded(value).read([0])[0], units * 0.003 + 0.25, rtol=1e-5)


def test_the_directory_of_a_disc_is_left_aside(tmp_path: Path) -> None:
    (tmp_path / "DICOM").mkdir()
    dicom(tmp_path / "DICOM" / "IM000001")
    pydicom = pytest.importorskip("pydicom")
    directory = pydicom.Dataset()
    directory.FileSetID, directory.DirectoryRecordSequence = "DISC", []
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "2.25.8"
    pydicom.dcmwrite(tmp_path / "DICOMDIR", directory, enforce_file_format=True)
    source = read_ecgs(tmp_path)
    assert source.identifiers == ("DICOM/IM000001",)
    np.testing.assert_allclose(source.read([0])[0], MICROVOLTS * 0.003 + 0.25, rtol=1e-5)
    with pytest.raises(DataError, match="DICOMDIR holds no waveform"):
        read_ecgs(tmp_path / "DICOMDIR")


def absent(data) -> None:
    del data.WaveformSequence


def set_in_group(**values):
    def change(data) -> None:
        for name, value in values.items():
            setattr(data.WaveformSequence[0], name, value)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (absent, "holds no waveform"),
        (set_in_group(WaveformData=b"\0\0"), "100 samples need 2400 bytes, it holds 2"),
        (set_in_group(NumberOfWaveformSamples=4_000_000_000), "is damaged: 4000000000 samples"),
        (set_in_group(NumberOfWaveformSamples=0), "is damaged: 0 samples"),
        (set_in_group(NumberOfWaveformChannels=60_000), "60000 channels, but 12 described"),
        (set_in_group(SamplingFrequency="0"), "a sampling rate of 0 Hz"),
        (set_in_group(SamplingFrequency="1e-30"), "sampling rate of 1e-30 Hz"),
        (set_in_group(WaveformBitsAllocated=0), "damaged"),
        (set_in_group(WaveformSampleInterpretation="MB"), "damaged, or not a DICOM"),
        (lambda data: data.WaveformSequence[0].ChannelDefinitionSequence.pop(), "lead V6 missing"),
    ],
)
def test_a_dicom_file_that_breaks_its_word_is_refused(tmp_path: Path, change, message: str) -> None:
    def first_only(data) -> None:
        data.WaveformSequence.pop()
        change(data)

    path = dicom(tmp_path / "x.dcm", first_only)
    with pytest.raises(DataError, match=message) as caught:
        read_ecgs(path).read([0])
    assert "x.dcm" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_deflated_dicom_file_is_not_unpacked(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.dcmread(dicom(tmp_path / "plain.dcm"))
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "x.dcm", data, implicit_vr=False, little_endian=True)
    with pytest.raises(DataError, match=r"x\.dcm is a deflated DICOM file"):
        read_ecgs(tmp_path / "x.dcm")


def edf(path: Path, labels=LEADS, unit: str = "uV", rows: np.ndarray = MICROVOLTS) -> Path:
    edfio = pytest.importorskip("edfio")
    signals = [
        edfio.EdfSignal.from_digital(
            row, 100, label=label, physical_dimension=unit, physical_range=(-1000, 1000), digital_range=(-2000, 2000)
        )
        for label, row in zip(labels, rows)
    ]
    edfio.Edf(signals, patient=edfio.Patient(code="12345", sex="F", name="Doe")).write(path)
    return path


def test_edf_of_another_program(tmp_path: Path) -> None:
    path = edf(tmp_path / "x.edf", [f"EKG {lead.upper()}" for lead in LEADS])
    source = read_ecgs(path)
    assert (source.sampling_rate, source.samples, source.identifiers) == (100, 100, ("x",))
    assert source.conditions == (Condition(sex="F"),)
    np.testing.assert_allclose(source.read([0])[0], MICROVOLTS / 2000, atol=1e-6)
    np.testing.assert_allclose(read_ecgs(path, seconds=0.5).read([0])[0], MICROVOLTS[:, :50] / 2000, atol=1e-6)


def test_edf_with_eight_leads_and_another_signal(tmp_path: Path) -> None:
    rows = np.vstack([MICROVOLTS[:1], to_eight(MICROVOLTS)])
    path = edf(tmp_path / "x.edf", ["Resp chest", "I", "II", *LEADS[6:]], rows=rows)
    np.testing.assert_allclose(read_ecgs(path).read([0])[0], to_twelve(to_eight(MICROVOLTS) / 2000), atol=1e-6)


def test_edf_without_unit_or_names_is_asked_for_them(tmp_path: Path) -> None:
    path = edf(tmp_path / "x.edf", [f"ch{i}" for i in range(12)], unit="")
    with pytest.raises(DataError, match="lead I, II, V1, V2, V3, V4, V5, V6 missing"):
        read_ecgs(path)
    with pytest.raises(DataError, match="--input-unit"):
        read_ecgs(path, input_leads=LEADS).read([0])
    source = read_ecgs(path, input_leads=LEADS, input_unit="mV")
    np.testing.assert_allclose(source.read([0])[0], MICROVOLTS / 2, rtol=1e-6)
    with pytest.raises(DataError, match="unit 'mmHg' is not a voltage"):
        read_ecgs(edf(tmp_path / "y.edf", unit="mmHg")).read([0])


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (236, b"99999999", "announces 99999999 data records"),
        (236, b"0       ", "announces 0 data records"),
        (236, b"-1      ", "announces -1 data records"),
        (236, b"nan     ", "damaged, or not an EDF"),
        (252, b"9999", "damaged"),
        (252, b"-5  ", "damaged"),
        (252, b"0   ", "damaged"),
        (244, b"0       ", "damaged|not possible"),
        (244, b"nan     ", "damaged|not possible"),
        (192, b"EDF+D", "recording with gaps"),
        (256 + 216 * 12, b"99999999", "of 2000|truncated|damaged"),
        (256 + 216 * 12, b"-9999999", "truncated"),
    ],
)
def test_an_edf_file_that_breaks_its_word_is_refused(tmp_path: Path, place: int, value: bytes, message: str) -> None:
    path = edf(tmp_path / "x.edf")
    data = bytearray(path.read_bytes())
    data[place : place + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_ecgs(path).read([0])
    assert "\n" not in str(caught.value)


def test_a_folder_of_two_formats_is_refused(tmp_path: Path) -> None:
    edf(tmp_path / "x.edf")
    dicom(tmp_path / "y.dcm")
    with pytest.raises(DataError, match=r"several formats \(1 DICOM and 1 EDF\)"):
        read_ecgs(tmp_path)
