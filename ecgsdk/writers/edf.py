"""EDF+: a file a record, twelve signals of 16-bit microvolts, by Kemp and Olivan 2003 (Clin Neurophysiol 114:1755)."""

from __future__ import annotations

import io
import math
import string
from decimal import Decimal
from typing import TYPE_CHECKING

from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS
from ecgsdk.limits import LARGEST_EDF_DATA_RECORD, check_record_size
from ecgsdk.writers.marking import marking_json, marking_sentence
from ecgsdk.writers.quantise import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgsdk.writers.folder import Record
    from ecgsdk.writers.writer import Header

__all__ = ["EdfRecords", "data_record_samples"]

_LARGEST_DATA_RECORD = 61440
"""Bytes of a data record, above which the standard advises against."""

_ANNOTATION_BYTES = 1440
"""What is set aside of them for annotations."""

_LARGEST_ANNOTATIONS = 1 << 16

_SUBFIELD = frozenset(string.ascii_letters + string.digits + "!#$%&'()*+,-./:;<=>?@[]^_{|}~")


class EdfRecords:
    """Continuous EDF+ (EDF+C), signals "ECG I" … "ECG V6" in uV, of which a digital step is one.

    The patient's code is the record's identifier, and SYNTHETIC_ECG the name of one that was never a patient. An
    annotation at 0 s is the JSON text of `ecgsdk.writers.marking`, with provenance and condition; in synthetic records
    another says the same in a sentence. There is no date: EDF+ writes 01.01.85 and an X for it, so that the same
    record gives the same bytes.
    """

    list_name = ""
    list_head = ""

    def __init__(self, header: Header) -> None:
        samples = data_record_samples(header.samples, header.sampling_rate)
        if samples is None:
            length = f"{header.samples} samples at {header.sampling_rate:g} Hz"
            raise WriteError(f"EDF+ cannot hold {length} exactly; ask for a whole sampling rate, or for whole seconds")
        size = len(LEADS) * samples * 2 + _LARGEST_ANNOTATIONS
        check_record_size(size, LARGEST_EDF_DATA_RECORD, "a data record of an EDF file")
        self._header = header
        self._seconds = _duration(samples, header.sampling_rate)

    def files(self, record: Record) -> Iterator[tuple[str, bytes]]:
        """The one file."""
        contents = io.BytesIO()
        Edf(
            [self._signal(record, lead) for lead in range(len(LEADS))],
            patient=self._patient(record),
            recording=self._recording(),
            data_record_duration=self._seconds,
            annotations=self._annotations(record),
        ).write(contents)
        yield ".edf", contents.getvalue()

    def list_line(self, record: Record) -> str:
        """Nothing: there is no list."""
        return ""

    def _signal(self, record: Record, lead: int) -> EdfSignal:
        limits = (-LARGEST - 1, LARGEST)
        return EdfSignal(
            record.microvolts[lead].astype(float),
            self._header.sampling_rate,
            label=f"ECG {LEADS[lead]}",
            physical_dimension="uV",
            physical_range=limits,
            digital_range=limits,
        )

    def _patient(self, record: Record) -> Patient:
        synthetic = self._header.provenance is not None
        return Patient(
            code=_subfield(record.identifier, 40),
            sex=record.condition.sex or "X",
            name="SYNTHETIC_ECG" if synthetic else "X",
        )

    def _recording(self) -> Recording:
        provenance = self._header.provenance
        if provenance is None:
            return Recording()
        return Recording(
            hospital_administration_code="SYNTHETIC",
            equipment_code=_subfield(f"ecgsdk-{provenance.version}", 20),
            additional=(_subfield(provenance.model, 20),),
        )

    def _annotations(self, record: Record) -> list[EdfAnnotation]:
        provenance = self._header.provenance
        texts = [marking_json(record.identifier, record.condition, provenance)]
        if provenance is not None:
            texts.append(marking_sentence(record.identifier, record.condition, provenance))
        return [EdfAnnotation(0, None, text) for text in texts]


def data_record_samples(samples: int, sampling_rate: float) -> int | None:
    """Samples of each signal in a data record, so that data records of one length make up the ECG.

    Best is between half a second and the size that the standard advises, whole seconds before others, and as few data
    records as there can be. None where no length in seconds, in the eight characters that the header has for it,
    gives the sampling rate exactly.
    """
    largest = (_LARGEST_DATA_RECORD - _ANNOTATION_BYTES) // (2 * len(LEADS))
    counts = [n for n in range(1, samples + 1) if samples % n == 0 and _is_exact(n, sampling_rate)]
    return max(
        counts,
        key=lambda n: (sampling_rate / 2 <= n <= largest, n <= largest and n % sampling_rate == 0, n),
        default=None,
    )


def _duration(count: int, sampling_rate: float) -> float:
    """Seconds of `count` samples, to the eight digits that the header has room for."""
    return float(f"{Decimal(count) / Decimal(repr(float(sampling_rate))):.8g}")


def _is_exact(count: int, sampling_rate: float) -> bool:
    """Whether the header's eight characters hold the duration, and give the rate back but for the last bits."""
    seconds = _duration(count, sampling_rate)
    return len(f"{seconds:.8g}") <= 8 and math.isclose(count / seconds, sampling_rate, rel_tol=1e-14)


def _subfield(text: str, longest: int) -> str:
    """Text as a subfield of the header: ASCII without blanks."""
    return "".join(character if character in _SUBFIELD else "_" for character in text)[:longest] or "X"
