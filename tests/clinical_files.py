"""Small files of clinical systems, made of known samples: what the tests of their readers read."""

from __future__ import annotations

import base64
import re
import struct
import textwrap
from binascii import crc_hqx
from typing import TYPE_CHECKING

from ecgsdk.leads import INDEPENDENT_LEADS, LEADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

SCP_LEADS = {"I": 1, "II": 2, **{f"V{n}": n + 2 for n in range(1, 7)}, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64}


def muse_xml(counts: np.ndarray, rate: int = 500, step: str = "4.88", unit: str = "MICROVOLTS") -> bytes:
    """GE MUSE: eight leads of int16 counts, shape (8, samples)."""
    leads = "".join(
        f"<LeadData><LeadID>{lead}</LeadID><LeadByteCountTotal>{2 * len(row)}</LeadByteCountTotal>"
        f"<LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>{step}"
        f"</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadSampleSize>2</LeadSampleSize>"
        f"<WaveFormData>{base64.b64encode(row.astype('<i2').tobytes()).decode()}</WaveFormData></LeadData>"
        for lead, row in zip(INDEPENDENT_LEADS, counts)
    )
    return (
        "<?xml version='1.0' encoding='ISO-8859-1'?><RestingECG><PatientDemographics><PatientID>12345</PatientID>"
        "<PatientLastName>Doe</PatientLastName><PatientAge>61</PatientAge><AgeUnits>YEARS</AgeUnits>"
        "<Gender>FEMALE</Gender></PatientDemographics><RestingECGMeasurements><VentricularRate>72</VentricularRate>"
        "</RestingECGMeasurements><Waveform><WaveformType>Rhythm</WaveformType>"
        f"<SampleBase>{rate}</SampleBase><SampleExponent>0</SampleExponent>{leads}</Waveform></RestingECG>"
    ).encode()


def muse_export(counts: np.ndarray, median: np.ndarray) -> str:
    """GE MUSE as the system exports it: a document type, median beats before the rhythm, base64 in short lines."""
    rhythm, beats = (muse_xml(row).decode() for row in (counts, median))
    start = beats.index("<Waveform>")
    median_beats = beats[start : beats.index("</RestingECG>")].replace("Rhythm", "Median")
    text = rhythm.replace("<Waveform>", median_beats + "<Waveform>", 1)
    head = '<!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG><MuseInfo><MuseVersion>9.0.7</MuseVersion></MuseInfo>'
    text = text.replace("<RestingECG>", head, 1)
    return re.sub(r"(?<=<WaveFormData>)[^<]+", lambda data: "\n".join(textwrap.wrap(data[0], 76)), text)


def cardiosoft_xml(counts: np.ndarray, rate: int = 500, step: str = "5", unit: str = "uVperLsb") -> bytes:
    """GE CardioSoft: median beats, and a rhythm strip of int16 counts, shape (12, samples), in lines of 20 numbers."""

    def waves(rows: np.ndarray) -> str:
        return (
            f'<NumberOfLeads>12</NumberOfLeads><SampleRate units="Hz">{rate}</SampleRate>'
            f'<Resolution units="{unit}">{step}</Resolution>'
            + "".join(
                f'<WaveformData lead="{lead}">\t'
                + ",\n".join(",".join(map(str, row[i : i + 20].tolist())) for i in range(0, len(row), 20))
                + "</WaveformData>\n"
                for lead, row in zip(LEADS, rows)
            )
        )

    return (
        '<?xml version="1.0" encoding="ISO-8859-1" ?><CardiologyXML><ObservationType>RestECG</ObservationType>'
        '<PatientInfo><PID>12345</PID><Age units="YEARS">53</Age><Gender>MALE</Gender></PatientInfo>'
        '<RestingECGMeasurements><VentricularRate units="BPM">50</VentricularRate><MedianSamples>'
        f"{waves(counts[:, :30] // 2)}</MedianSamples></RestingECGMeasurements><StripData>{waves(counts)}</StripData>"
        "</CardiologyXML>"
    ).encode("latin-1")


def sierra_xml(
    counts: np.ndarray, rate: int = 500, step: float | None = 5.0, extra: str = "", data: bytes = b""
) -> bytes:
    """Philips Sierra 1.04: twelve leads of int16 counts, shape (12, samples), lead by lead, or `data` instead."""
    text = base64.b64encode(data or counts.astype("<i2").tobytes()).decode()
    resolution = f' resolution="{step:g}"' if step else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><restingecgdata><documentinfo><documenttype>SierraECG</documenttype>'
        "<documentversion>1.04</documentversion></documentinfo><patient><generalpatientdata><sex>Male</sex><age>"
        "<years>50</years></age></generalpatientdata></patient><dataacquisition><signalcharacteristics>"
        f"<signalsigned>True</signalsigned><numberchannelsallocated>12</numberchannelsallocated>{extra}"
        "</signalcharacteristics></dataacquisition><waveforms>"
        f'<parsedwaveforms samplespersecond="{rate}" durationperchannel="{counts.shape[1] * 1000 // rate}" '
        f'numberofleads="12" leadlabels="{" ".join(LEADS)}" dataencoding="Base64"{resolution}'
        f"{' compression=' + chr(34) + 'XLI' + chr(34) if data else ''}>{text}</parsedwaveforms></waveforms>"
        "</restingecgdata>"
    ).encode()


def xli_bytes(counts: np.ndarray) -> bytes:
    """Twelve leads of int16 counts, shape (12, samples), as Philips' XLI packs them: what is left of III, aVR, aVL and
    aVF beyond their equations, second differences, high bytes before low bytes, LZW with codes of ten bits."""
    leads = counts.astype(int)
    one, two, three = leads[:3].copy()
    leads[2] = two - one - three
    leads[3] = -leads[3] - (one + two) // 2
    leads[4] = (one - three) // 2 - leads[4]
    leads[5] = (two + three) // 2 - leads[5]
    return b"".join(map(_xli_lead, leads))


def _xli_lead(lead: np.ndarray) -> bytes:
    bends = 2 * lead[1:-1] - lead[:-2] - lead[2:]
    values = [*lead[:2].tolist(), *(64 + bends[1:]).tolist(), 64]
    packed = struct.pack(f">{len(values)}h", *values)
    codes = _lzw(packed[0::2] + packed[1::2])
    bits = "".join(f"{code:010b}" for code in (*codes, 1023))
    bits += "0" * (-len(bits) % 8)
    chunk = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return struct.pack("<IHh", len(chunk), 0, int(bends[0])) + chunk


def _lzw(data: bytes) -> Iterator[int]:
    """Codes of the longest strings known so far; those from 256 to 1022 are made on the way."""
    known = {bytes([value]): value for value in range(256)}
    string = b""
    for i in range(len(data)):
        longer = string + data[i : i + 1]
        if longer not in known:
            yield known[string]
            if len(known) < 1023:
                known[longer] = len(known)
            longer = data[i : i + 1]
        string = longer
    yield known[string]


def aecg_xml(counts: np.ndarray, seconds: str = "0.002", step: str = "2.5", leads: Sequence[str] = LEADS) -> bytes:
    """HL7 aECG: counts of the leads, shape (leads, samples)."""
    lines = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}" codeSystem="2.16.840.1.113883.6.24"/>'
        f'<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="{step}" unit="uV"/>'
        f"<digits>{' '.join(map(str, row.tolist()))}</digits></value></sequence></component>"
        for lead, row in zip(leads, counts)
    )
    return (
        '<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><component><series><code code="RHYTHM"/>'
        '<component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">'
        f'<head value="20200101120000"/><increment value="{seconds}" unit="s"/></value></sequence></component>'
        f"{lines}</sequenceSet></component></series></component></AnnotatedECG>"
    ).encode()


def scp_bytes(counts: np.ndarray, interval: int = 2000, step: int = 5000) -> bytes:
    """SCP-ECG: twelve leads of int16 counts, shape (12, samples), neither compressed nor differenced."""
    samples = counts.shape[1]
    leads = b"".join(struct.pack("<IIB", 1, samples, SCP_LEADS[lead]) for lead in LEADS)
    sections = {
        1: struct.pack("<BHB", 8, 1, 1) + struct.pack("<BHHB", 4, 3, 47, 1) + struct.pack("<BH", 255, 0),
        3: struct.pack("<BB", 12, 12 << 3 | 4) + leads,
        6: struct.pack("<HHBB", step, interval, 0, 0)
        + struct.pack("<12H", *[2 * samples] * 12)
        + counts.astype("<i2").tobytes(),
    }
    bodies, pointers, position = [], [], 7 + 16 + 120
    for number in range(1, 12):
        body = _section(number, sections[number]) if number in sections else b""
        pointers.append(struct.pack("<HII", number, len(body), position if body else 0))
        bodies.append(body)
        position += len(body)
    first = _section(0, struct.pack("<HII", 0, 136, 7) + b"".join(pointers), b"SCPECG")
    record = struct.pack("<I", position - 1) + first + b"".join(bodies)
    return struct.pack("<H", crc_hqx(record, 0xFFFF)) + record


def _section(number: int, body: bytes, reserved: bytes = b"") -> bytes:
    body += b"\0" * (len(body) % 2)
    rest = struct.pack("<HIBB6s", number, 16 + len(body), 20, 20, reserved) + body
    return struct.pack("<H", crc_hqx(rest, 0xFFFF)) + rest
