"""GE MUSE and CardioSoft XML, Philips Sierra XML, HL7 aECG and SCP-ECG files as an ECGSource, mostly by ecgdatakit."""

from __future__ import annotations

import base64
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.cardiosoft import read_strip
from ecgsdk.readers.channels import find_leads, twelve_leads
from ecgsdk.readers.damage import MEBIBYTE, check_size, damage_reported, first_line, needs_package
from ecgsdk.readers.marking import SEXES
from ecgsdk.readers.records import RecordFacts, check_numbers, source_of_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ecgsdk.readers.cardiosoft import Strip
    from ecgsdk.readers.records import Fit
    from ecgsdk.readers.source import ECGSource
    from ecgsdk.readers.stated import Stated

__all__ = ["KINDS", "clinical_kind", "read_clinical"]

KINDS = {"muse": "a GE MUSE XML file", "sierra": "a Philips Sierra XML file", "aecg": "an HL7 aECG file"}
KINDS |= {"scp": "an SCP-ECG file", "cardiosoft": "a GE CardioSoft XML file"}
"""Formats of this module, and what messages call a file of each."""

_PARSERS = {
    "muse": ("ge_muse_xml", "GEMuseXMLParser"),
    "sierra": ("sierra_xml", "SierraXMLParser"),
    "aecg": ("hl7_aecg", "HL7aECGParser"),
    "scp": ("scp_ecg", "SCPECGParser"),
}
_SNIFFED = 4096
_LARGEST = 16 * MEBIBYTE
_LARGEST_UNPACKED = 4 * MEBIBYTE
_MOST_CHANNELS = 256


def clinical_kind(head: bytes) -> str | None:
    """The format, one of `KINDS`, of a file that begins with `head`, of 4096 bytes or the whole file."""
    # Section 0, whose first pointer is that to itself, at byte 7 (EN 1064, 5.3).
    if head[8:10] == head[22:24] == b"\0\0" and head[28:32] == b"\7\0\0\0":
        return "scp"
    text = head.replace(b"\0", b"").lower()
    if b"<cardiologyxml" in text:
        return "cardiosoft"
    if b"<restingecgdata" in text:
        return "sierra"
    if b"<restingecg" in text or b"<museinfo" in text:
        return "muse"
    return "aecg" if b"annotatedecg" in text else None


def read_clinical(root: Path, files: Sequence[Path], stated: Stated, fit: Fit) -> ECGSource:
    """The ECGs of files from clinical systems, one each; the formats may be mixed.

    The rhythm leads count, not the median beats. Missing limb leads (MUSE stores eight) are computed, leads other
    than the twelve are left out. Rates, gains and units are the file's. Age, sex and the heart rate that the device
    measured are taken over; its interpretation is free text, so there are no statements. No name, number or date of
    a patient is read: records are called by their files.

    Args:
        root: the folder or file that was asked for.
        files: the files, at least one.
        stated: what the user states of files that give no unit.
        fit: the rate and length that are asked for.

    Raises:
        DataError: a file is damaged or declares entities; a lead or a unit is missing; records differ.
        RuntimeSetupError: ecgdatakit is not installed.
    """
    return source_of_records(root, files, partial(_facts, stated), partial(_read, stated), fit)


def _facts(stated: Stated, path: Path) -> RecordFacts:
    kind = _kind(path)
    if kind == "cardiosoft":
        strip = _strip(path)
        rate = stated.sampling_rate(path, strip.sampling_rate)
        return RecordFacts(path, rate, strip.signals.shape[1], strip.condition)
    record = _parse(path, kind)
    with damage_reported(path, "a clinical ECG file"):
        leads = _leads(path, record)
        patient, rate = record.patient, record.measurements.heart_rate
        return RecordFacts(
            path=path,
            sampling_rate=stated.sampling_rate(path, _rate(record, leads["I"])),
            samples=len(leads["I"].samples),
            condition=Condition(
                heart_rate=float(rate) if rate else None,
                age=None if patient.age is None or patient.age < 0 else float(patient.age),
                sex=SEXES.get(patient.sex),
            ),
        )


def _read(stated: Stated, path: Path, samples: int) -> np.ndarray:
    kind = _kind(path)
    if kind == "cardiosoft":
        return check_numbers(path, _strip(path).signals[:, :samples])
    record = _parse(path, kind)
    with damage_reported(path, "a clinical ECG file"):
        found = {lead: _millivolts(path, signal, stated)[:samples] for lead, signal in _leads(path, record).items()}
        signals = twelve_leads(found)
    return check_numbers(path, signals)


def _kind(path: Path) -> str:
    """The format of a file that is not too large."""
    check_size(path, _LARGEST, "a clinical ECG file")
    with path.open("rb") as file:
        kind = clinical_kind(file.read(_SNIFFED))
    if kind is None:
        raise DataError(f"{path} is no clinical ECG file, or is damaged; get the file again")
    return kind


def _strip(path: Path) -> Strip:
    with damage_reported(path, KINDS["cardiosoft"]):
        return read_strip(path)


def _parse(path: Path, kind: str) -> Any:
    """What ecgdatakit says of a file: one of its ECGRecords.

    Its parsers refuse XML entities, and all that is read is no larger than the file, but for two things of Philips'
    format that are bounded here first.
    """
    with needs_package("clinical", path):
        module, name = _PARSERS[kind]
        parser: Callable[[], Any] = getattr(import_module(f"ecgdatakit.parsing.parsers.{module}"), name)
    with damage_reported(path, KINDS[kind]):
        if kind == "sierra":
            _check_sierra(path)
        try:
            return parser().parse(path)
        except Exception as error:
            if "not supported" not in str(error):
                raise
            raise DataError(f"{path} cannot be read ({first_line(error)}); export it in another format") from error


def _leads(path: Path, record: Any) -> dict[str, Any]:
    found = {lead: record.leads[i] for lead, i in find_leads(path, [lead.label for lead in record.leads]).items()}
    if len({(signal.sampling_rate, len(signal.samples)) for signal in found.values()}) > 1:
        raise DataError(f"{path}: its leads differ in rate or length; export the record again")
    return found


def _rate(record: Any, lead: Any) -> float:
    """Hz; of aECG the exact rate, which ecgdatakit rounds elsewhere."""
    times = record.raw_metadata.get("rhythm_time") or {}
    exact = float(times.get("sampling_rate_exact") or lead.sampling_rate)
    return float(round(exact)) if abs(exact - round(exact)) < 1e-3 else exact


def _millivolts(path: Path, lead: Any, stated: Stated) -> np.ndarray:
    if lead.is_raw and not lead.resolution_unit:
        return lead.samples * (lead.resolution * stated.millivolts(path, None))
    physical = lead.to_physical()
    return physical.samples * stated.millivolts(path, physical.units)


def _check_sierra(path: Path) -> None:
    """Raises DataError where a Philips file names more channels, or unpacks to more, than an ECG has.

    ecgdatakit makes a name for each channel that is announced, and unpacks compressed waveforms (LZW, up to 767
    bytes for ten bits) as a whole.
    """
    import xmltodict
    from ecgdatakit.parsing.helpers import find_tag

    document = xmltodict.parse(path.read_bytes(), disable_entities=True)
    for tag in ("numberchannelsallocated", "numberchannelsvalid"):
        for text in _texts(find_tag(document, tag)):
            if float(text) > _MOST_CHANNELS:
                raise DataError(f"{path} announces {text[:20]} channels, more than an ECG has")
    waveforms = _flat(find_tag(document, "parsedwaveforms"))
    if sum(_unpacked(chunk) for waveform in waveforms for chunk in _xli_chunks(path, waveform)) > _LARGEST_UNPACKED:
        raise DataError(f"{path} unpacks to more than {_LARGEST_UNPACKED} bytes, more than an ECG has")


def _xli_chunks(path: Path, waveform: Any) -> list[bytes]:
    """The compressed leads of a Philips waveform, each behind eight bytes that begin with its size."""
    if not isinstance(waveform, dict) or not {"@compression", "@compressmethod", "@compressflag"} & set(waveform):
        return []
    data = base64.b64decode("".join((waveform.get("#text") or "").split()))
    chunks: list[bytes] = []
    first = 0
    while len(data) - first >= 8:
        size = int.from_bytes(data[first : first + 4], "little")
        chunks.append(data[first + 8 : first + 8 + size])
        first += 8 + size
        if len(chunks) > _MOST_CHANNELS:
            raise DataError(f"{path} holds more than {_MOST_CHANNELS} channels, more than an ECG has")
    return chunks


def _unpacked(chunk: bytes) -> int:
    """Bytes that a lead unpacks to, told by the lengths of LZW's strings: codes have ten bits, 1023 ends."""
    bits = np.unpackbits(np.frombuffer(chunk, dtype=np.uint8))
    codes = bits[: len(bits) // 10 * 10].reshape(-1, 10) @ (1 << np.arange(9, -1, -1))
    lengths, previous, total = dict.fromkeys(range(256), 1), 0, 0
    following = 256
    for code in codes.tolist():
        if code == 1023:
            break
        length = lengths.setdefault(code, previous + 1)
        if previous and following < 1023:
            lengths[following] = previous + 1
            following += 1
        previous, total = length, total + length
    return total


def _texts(found: Any) -> list[str]:
    return [item for item in _flat(found) if isinstance(item, str)]


def _flat(found: Any) -> list[Any]:
    """All that was found of a tag: elements, of which those that are repeated come as a list."""
    return [part for item in found for part in _flat(item)] if isinstance(found, list) else [found]
