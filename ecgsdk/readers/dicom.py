"""DICOM ECG waveforms (PS3.3 A.34.3 and A.34.4) as an ECGSource, by pydicom."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.limits import LARGEST_DICOM
from ecgsdk.readers.channels import find_leads, lead_of, twelve_leads
from ecgsdk.readers.damage import check_size, damage_reported, needs_package
from ecgsdk.readers.marking import SEXES, marking_among
from ecgsdk.readers.records import check_numbers, marked_facts, source_of_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ecgsdk.readers.records import Fit, RecordFacts
    from ecgsdk.readers.source import ECGSource
    from ecgsdk.readers.stated import Stated

__all__ = ["read_dicom"]

_WHAT = "a DICOM waveform"
_PRIVATE_GROUP, _PRIVATE_CREATOR = 0x0099, "ECGSDK"
_DEFLATED = "1.2.840.10008.1.2.1.99"

# Lead numbers that MDC ("2:61", ISO/IEEE 11073-10102) and SCP-ECG ("5.6.3-9-61", EN 1064) share.
_NUMBERS = {1: "I", 2: "II", **{n: f"V{n - 2}" for n in range(3, 9)}, 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}
_CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d{1,4})")
_AGE = re.compile(r"(\d{3})([DWMY])")
_YEARS: dict[str, float] = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1}


def read_dicom(root: Path, files: Sequence[Path], stated: Stated, fit: Fit) -> ECGSource:
    """The ECGs of DICOM files, one each.

    Of several multiplex groups the first that holds leads I, II and V1–V6 counts: the rhythm; the median beats that
    some devices add follow it. Missing limb leads are computed, channels other than the twelve are left out. Leads
    are known by their MDC or SCP-ECG codes, or else by what the code means or the channel's label; sensitivity,
    baseline and unit are the file's. Age and sex come from the patient module; statements and heart rate from the
    files that ecgsdk writes.

    Args:
        root: the folder or file that was asked for.
        files: the files, at least one.
        stated: what the user states of files that lack units.
        fit: the rate and length that are asked for.

    Raises:
        DataError: a file is damaged, compressed, or not an ECG; a lead is missing; records differ in rate or length.
        RuntimeSetupError: pydicom is not installed.
    """
    return source_of_records(root, files, partial(_facts, stated), partial(_read, stated), fit)


def _facts(stated: Stated, path: Path) -> RecordFacts:
    data = _open(path)
    with damage_reported(path, _WHAT):
        _, group, _ = _rhythm(path, data)
        rate = stated.sampling_rate(path, float(group.SamplingFrequency))
        marking = marking_among(path, _texts(data))
        return marked_facts(path, rate, int(group.NumberOfWaveformSamples), marking, _condition(data))


def _read(stated: Stated, path: Path, samples: int) -> np.ndarray:
    data = _open(path)
    with damage_reported(path, _WHAT):
        from pydicom.waveforms import multiplex_array

        index, group, leads = _rhythm(path, data)
        raw = multiplex_array(data, index, as_raw=True)[:samples]
        # What pads a channel was never measured: it is refused below, as no number.
        known = np.where(raw == _padding(group, raw.dtype), np.nan, raw)
        channels = group.ChannelDefinitionSequence
        found = {lead: _millivolts(path, channels[i], known[:, i], stated) for lead, i in leads.items()}
    return check_numbers(path, twelve_leads(found))


def _open(path: Path) -> Any:
    """The data set, as a whole: an ECG is small."""
    check_size(path, LARGEST_DICOM, "a DICOM file")
    with needs_package("dicom", path):
        import pydicom
    with damage_reported(path, _WHAT):
        try:
            meta = pydicom.filereader.read_file_meta_info(path)
            if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
                raise DataError(f"{path} is a deflated DICOM file; write it uncompressed with dcmtk's dcmconv +ti")
            return pydicom.dcmread(path)
        except pydicom.errors.InvalidDicomError:  # its message tells of options that only programs have
            raise DataError(f"{path} is damaged, or not {_WHAT}; get the file again") from None


def _rhythm(path: Path, data: Any) -> tuple[int, Any, dict[str, int]]:
    """The multiplex group of the rhythm: its index, the group, and positions of the leads among its channels."""
    problem = f"{path} holds no waveform; of DICOM files only ECGs can be read"
    for index, group in enumerate(data.get("WaveformSequence") or ()):
        labels = [_label(channel) for channel in group.ChannelDefinitionSequence]
        try:
            leads = find_leads(path, labels)
        except DataError as error:
            problem = str(error) if index == 0 else problem
            continue
        _check_length(path, group, len(labels))
        return index, group, leads
    raise DataError(problem)


def _check_length(path: Path, group: Any, channels: int) -> None:
    """Raises DataError unless the group holds as many samples as it says."""
    samples, width = int(group.NumberOfWaveformSamples), int(group.WaveformBitsAllocated) // 8
    if int(group.NumberOfWaveformChannels) != channels:
        raise DataError(f"{path} is damaged: {group.NumberOfWaveformChannels} channels, but {channels} described")
    needed, held = samples * channels * width, len(group.WaveformData)
    if samples < 1 or held < needed:
        raise DataError(f"{path} is damaged: {samples} samples need {needed} bytes, it holds {held}; get it again")


def _padding(group: Any, kind: np.dtype) -> float:
    """The value of samples that stand for none (Waveform Padding Value, PS3.3 C.10.9); NaN, which no sample has.

    There are programs that write 0, which is a voltage of every lead: this counts as none.
    """
    value = group.get("WaveformPaddingValue")
    if value is None or not any(value):
        return np.nan
    return float(np.frombuffer(value[: kind.itemsize], dtype=kind)[0])


def _label(channel: Any) -> str:
    """The lead of a channel, or what it is called."""
    source = next(iter(channel.get("ChannelSourceSequence") or ()), None)
    value = "" if source is None else str(source.get("CodeValue") or "")
    code = _CODE.fullmatch(value)
    if code and int(code[1]) in _NUMBERS:
        return _NUMBERS[int(code[1])]
    meaning = "" if source is None else str(source.get("CodeMeaning") or "")
    names = (value, meaning.split(",")[0], str(channel.get("ChannelLabel") or ""))
    return next((name for name in names if lead_of(name)), "")


def _millivolts(path: Path, channel: Any, raw: np.ndarray, stated: Stated) -> np.ndarray:
    """Samples of a channel: (raw × sensitivity × correction + baseline) × unit (PS3.3 C.10.9.1.4)."""
    unit = next(iter(channel.get("ChannelSensitivityUnitsSequence") or ()), None)
    if unit is None or channel.get("ChannelSensitivity") is None:
        return raw * stated.millivolts(path, None)
    factor = float(channel.ChannelSensitivity) * float(channel.get("ChannelSensitivityCorrectionFactor") or 1)
    baseline = float(channel.get("ChannelBaseline") or 0)
    return (raw * factor + baseline) * stated.millivolts(path, str(unit.get("CodeValue") or "no unit"))


def _texts(data: Any) -> Iterator[str]:
    """Texts of which one may be ecgsdk's marking: the private element, and annotations."""
    with suppress(KeyError):
        yield str(data.private_block(_PRIVATE_GROUP, _PRIVATE_CREATOR)[0x01].value)
    for note in data.get("WaveformAnnotationSequence") or ():
        yield str(note.get("UnformattedTextValue") or "")


def _condition(data: Any) -> Condition:
    age = _AGE.fullmatch(str(data.get("PatientAge") or ""))
    return Condition(
        age=int(age[1]) * _YEARS[age[2]] if age else None,
        sex=SEXES.get(str(data.get("PatientSex") or "")),
    )
