"""DICOM: a 12-lead ECG waveform object a record, as PS3.3 A.34.3 describes it."""

from __future__ import annotations

import hashlib
import io
import uuid
from typing import TYPE_CHECKING

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, AmbulatoryECGWaveformStorage, ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage

from ecgsdk.leads import LEADS
from ecgsdk.limits import LARGEST_DICOM, check_record_size
from ecgsdk.writers.marking import marking_json, marking_sentence, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgsdk.batch import Provenance
    from ecgsdk.writers.folder import Record
    from ecgsdk.writers.writer import Header

__all__ = ["PRIVATE_CREATOR", "PRIVATE_GROUP", "DicomRecords"]

PRIVATE_CREATOR = "ECGSDK"
PRIVATE_GROUP = 0x0099
"""Private element (0099,xx01), UT, of this creator holds the JSON text of `ecgsdk.writers.marking`."""

_NAMESPACE = uuid.UUID("6b6dd2c0-52c6-5f3a-8a53-1d2f8cf27d0e")
_CHARACTER_SET = "ISO_IR 192"
_DATE, _TIME = "19850101", "000000"
_LONGEST_ANNOTATION = 1024
_TWELVE_LEAD_RATES = (200.0, 1000.0)
_TWELVE_LEAD_SAMPLES = 16384
_LARGEST_HEAD = 1 << 16
"""Bytes of a file beside its samples, at most."""

_LEAD_CODES = {
    "I": ("2:1", "Lead I"),
    "II": ("2:2", "Lead II"),
    "III": ("2:61", "Lead III"),
    "aVR": ("2:62", "aVR, augmented voltage, right"),
    "aVL": ("2:63", "aVL, augmented voltage, left"),
    "aVF": ("2:64", "aVF, augmented voltage, foot"),
    **{f"V{i}": (f"2:{i + 2}", f"Lead V{i}") for i in range(1, 7)},
}
"""Codes of ISO/IEEE 11073-10102 for each lead, scheme MDC, as PS3.16 CID 3001 gives them."""


class DicomRecords:
    """One multiplex group of twelve channels, 16-bit microvolts, in explicit VR little endian.

    The SOP class is 12-Lead ECG Waveform Storage. It allows 200 to 1000 Hz and 16,384 samples; ECGs beyond that become
    Ambulatory ECG Waveform Storage (from 50 Hz, of any length), the one standard object with a place for them. Slower
    ECGs that come resampled (`ecgsdk.open_writer`) say so: as DERIVED, in the series' or study's description, in an
    annotation, and by a Filter High Frequency of each channel at half the rate that they had.

    A synthetic ECG says so in Synthetic Data (0008,001C) YES, Content Qualification RESEARCH, Waveform Originality
    DERIVED, the patient's name SYNTHETIC^ECG, patient ID (model, seed and record), descriptions of study and series,
    and an annotation with model, seed and condition. Real ones have none of these: their patient has no name, and the
    record's identifier as ID. JSON with provenance and condition (`ecgsdk.writers.marking`) stands in the private
    element of `PRIVATE_CREATOR`, and in an annotation, which has room for 1024 characters: an identifier that does not
    fit is cut there. Filters are left out, as they are not known. Each record is a patient, a study and a series of
    its own.

    UIDs are 2.25 and a UUID (PS3.5 B.2) of version 5, made of the namespace 6b6dd2c0-52c6-5f3a-8a53-1d2f8cf27d0e and
    "KIND DIGEST": KIND is study, series, synchronization or instance, DIGEST the SHA-256 in hex of the JSON text, the
    sampling rate and the samples. So the same record has the same UIDs, and another has others. Dates that must not be
    empty are 1985-01-01 00:00, as EDF+ writes an unknown date; the others are empty.
    """

    list_name = ""
    list_head = ""

    def __init__(self, header: Header) -> None:
        size = len(LEADS) * header.samples * 2 + _LARGEST_HEAD
        check_record_size(size, LARGEST_DICOM, "a DICOM file")
        self._header = header
        low, high = _TWELVE_LEAD_RATES
        fits = low <= header.sampling_rate <= high and header.samples <= _TWELVE_LEAD_SAMPLES
        self._sop_class = TwelveLeadECGWaveformStorage if fits else AmbulatoryECGWaveformStorage
        highest = None if header.recorded_rate is None else header.recorded_rate / 2
        channels = Sequence([_channel(lead, highest) for lead in LEADS])
        self._channels = _encoded_element("ChannelDefinitionSequence", channels)

    def files(self, record: Record) -> Iterator[tuple[str, bytes]]:
        """The one file."""
        provenance = self._header.provenance
        marking = marking_json(record.identifier, record.condition, provenance)
        samples = np.ascontiguousarray(record.microvolts.T, dtype="<i2").tobytes()
        digest = hashlib.sha256(f"{marking}\n{self._header.sampling_rate!r}\n".encode() + samples).hexdigest()
        dataset = _dataset(convert_encodings(_CHARACTER_SET))
        _add_identity(dataset, self._sop_class, digest)
        _add_person(dataset, record, provenance)
        dataset.WaveformSequence = Sequence([self._waveform(samples)])
        _add_marking(dataset, record, provenance, marking)
        _add_resampling(dataset, self._header)
        yield ".dcm", _encoded(dataset)

    def list_line(self, record: Record) -> str:
        """Nothing: there is no list."""
        return ""

    def _waveform(self, samples: bytes) -> Dataset:
        """The multiplex group (PS3.3 C.10.9)."""
        group = _dataset(default_encoding)
        recorded = self._header.provenance is None and self._header.recorded_rate is None
        group.WaveformOriginality = "ORIGINAL" if recorded else "DERIVED"
        group.NumberOfWaveformChannels = len(LEADS)
        group.NumberOfWaveformSamples = self._header.samples
        group.SamplingFrequency = f"{self._header.sampling_rate:.14g}"
        group.MultiplexGroupLabel = "12-lead ECG"
        group["ChannelDefinitionSequence"] = self._channels
        group.WaveformBitsAllocated = 16
        group.WaveformSampleInterpretation = "SS"
        group.add_new("WaveformData", "OW", samples)
        return group


def _channel(lead: str, highest: float | None) -> Dataset:
    """A channel whose unit is one microvolt (PS3.3 C.10.9.1.4), with nothing above the `highest` frequency in Hz."""
    channel = Dataset()
    channel.WaveformChannelNumber = LEADS.index(lead) + 1
    channel.ChannelLabel = lead
    channel.ChannelSourceSequence = Sequence([_code(_LEAD_CODES[lead][0], "MDC", _LEAD_CODES[lead][1])])
    channel.ChannelSensitivity = "1"
    channel.ChannelSensitivityUnitsSequence = Sequence([_code("uV", "UCUM", "microvolt")])
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    if highest is not None:
        channel.FilterHighFrequency = f"{highest:.14g}"
    return channel


def _dataset(character_encoding: str | list[str]) -> Dataset:
    """A data set in which what is encoded already is left as it is; it takes half the time then."""
    dataset = Dataset()
    dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding=character_encoding)
    return dataset


def _encoded_element(keyword: str, value: Sequence) -> DataElement | RawDataElement:
    """An element as its bytes in the file, so that what all records share is encoded once."""
    alone = Dataset()
    setattr(alone, keyword, value)
    contents = io.BytesIO()
    dcmwrite(contents, alone, implicit_vr=False, little_endian=True)
    return dcmread(io.BytesIO(contents.getvalue()), force=True).get_item(keyword)  # type: ignore[return-value]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _add_identity(dataset: Dataset, sop_class: UID, digest: str) -> None:
    """What tells the object from all others, and when it was made."""
    dataset.SpecificCharacterSet = _CHARACTER_SET
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = _uid(f"instance {digest}")
    dataset.StudyInstanceUID = _uid(f"study {digest}")
    dataset.SeriesInstanceUID = _uid(f"series {digest}")
    dataset.SynchronizationFrameOfReferenceUID = _uid(f"synchronization {digest}")
    dataset.SynchronizationTrigger = "NO TRIGGER"
    dataset.AcquisitionTimeSynchronized = "N"
    dataset.Modality = "ECG"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.ContentDate, dataset.ContentTime = _DATE, _TIME
    dataset.AcquisitionDateTime = _DATE + _TIME
    dataset.AcquisitionContextSequence = Sequence()
    for keyword in ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "Manufacturer"):
        setattr(dataset, keyword, "")


def _add_person(dataset: Dataset, record: Record, provenance: Provenance | None) -> None:
    """The patient, and what the lists of studies and series show."""
    condition = record.condition
    identifier = _long_string(record.identifier)
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "", identifier, ""
    dataset.PatientSex = condition.sex or ""
    if condition.age is not None and round(float(condition.age)) < 1000:  # type: ignore[arg-type]
        dataset.PatientAge = f"{round(float(condition.age)):03d}Y"  # type: ignore[arg-type]
    if provenance is not None:
        dataset.PatientName = "SYNTHETIC^ECG"
        dataset.PatientID = _long_string(f"{provenance.model}-{provenance.seed}-{identifier}")
        dataset.StudyDescription = "Synthetic 12-lead ECG"
        dataset.SeriesDescription = _long_string(f"SYNTHETIC ECG by {provenance.model}, seed {provenance.seed}")
        dataset.Manufacturer = "ecgsdk"
        dataset.ManufacturerModelName = _long_string(provenance.model)
        dataset.SoftwareVersions = _long_string(provenance.version)
        dataset.SyntheticData = "YES"
        dataset.ContentQualification = "RESEARCH"


def _add_marking(dataset: Dataset, record: Record, provenance: Provenance | None, marking: str) -> None:
    block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "UT", marking)
    texts = [] if provenance is None else [marking_sentence(record.identifier, record.condition, provenance)]
    if len(marking) > _LONGEST_ANNOTATION:
        marking = marking_json(_long_string(record.identifier), record.condition, provenance)
    texts.append(marking)
    dataset.WaveformAnnotationSequence = Sequence([_annotation(text) for text in texts])


def _add_resampling(dataset: Dataset, header: Header) -> None:
    """What tells people that the ECG was slower once."""
    if header.recorded_rate is None:
        return
    rates = f"resampled from {header.recorded_rate:g} to {header.sampling_rate:g} Hz"
    if header.provenance is None:
        dataset.SeriesDescription = f"12-lead ECG, {rates}"
    else:  # whose series has the model's name, which may be long
        dataset.StudyDescription = f"{dataset.StudyDescription}, {rates}"
    said = f"This ECG was {rates}; there is nothing above {header.recorded_rate / 2:g} Hz in it."
    dataset.WaveformAnnotationSequence.append(_annotation(said))


def _annotation(text: str) -> Dataset:
    annotation = Dataset()
    annotation.UnformattedTextValue = text
    annotation.ReferencedWaveformChannels = [1, 0]  # all channels of the first multiplex group
    annotation.AnnotationGroupNumber = 1
    return annotation


def _long_string(text: str) -> str:
    """Text as a DICOM LO element takes it; of its 64 characters, some readers count bytes."""
    return one_line(text.replace("\\", "/"), 64).encode()[:64].decode(errors="ignore").strip()


def _uid(name: str) -> UID:
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, name).int}")


def _encoded(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("implementation")
    meta.ImplementationVersionName = "ECGSDK"
    dataset.file_meta = meta
    contents = io.BytesIO()
    dcmwrite(contents, dataset, enforce_file_format=True)
    return contents.getvalue()
