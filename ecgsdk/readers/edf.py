"""EDF and EDF+ recordings (Kemp & Olivan 2003, Clinical Neurophysiology 114:1755) as an ECGSource, by edfio."""

from __future__ import annotations

import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.limits import LARGEST_EDF_DATA_RECORD
from ecgsdk.readers.channels import find_leads, twelve_leads
from ecgsdk.readers.damage import MEBIBYTE, check_size, damage_reported, needs_package
from ecgsdk.readers.marking import SEXES, marking_among
from ecgsdk.readers.records import check_numbers, marked_facts, source_of_records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecgsdk.readers.records import Fit, RecordFacts
    from ecgsdk.readers.source import ECGSource
    from ecgsdk.readers.stated import Stated

__all__ = ["read_edf"]

_LARGEST = 4096 * MEBIBYTE
_HEADER = 256
_WHAT = "an EDF file"
_PATIENT = re.compile(r"\S+ ([MFX]) (?:X|\d\d-[A-Z]{3}-\d{4}) \S")
_TRUNCATED = "(BDF|EDF) header indicates|Incomplete data record"


def read_edf(root: Path, files: Sequence[Path], stated: Stated, fit: Fit) -> ECGSource:
    """The ECGs of EDF or EDF+ files, one each.

    Leads are known by their labels ("ECG V1", "V1"), or as the user states them; signals other than the twelve leads
    are left out and missing limb leads are computed. Rate, physical range and dimension are the file's. Sex comes
    from the patient field; statements, heart rate and age from the files that ecgsdk writes.

    Args:
        root: the folder or file that was asked for.
        files: the files, at least one.
        stated: what the user states of files without physical dimensions or with other labels.
        fit: the rate and length that are asked for.

    Raises:
        DataError: a file is damaged or has gaps (EDF+D); a lead is missing; records differ in rate or length.
        RuntimeSetupError: edfio is not installed.
    """
    return source_of_records(root, files, partial(_facts, stated), partial(_read, stated), fit)


def _facts(stated: Stated, path: Path) -> RecordFacts:
    recording = _open(path)
    with damage_reported(path, _WHAT):
        leads = _leads(path, recording, stated)
        rate = stated.sampling_rate(path, float(leads["I"].sampling_frequency))
        marking = marking_among(path, [note.text for note in recording.annotations])
        condition = Condition(sex=SEXES.get(_sex(recording)))
        return marked_facts(path, rate, _samples(recording, leads["I"]), marking, condition)


def _read(stated: Stated, path: Path, samples: int) -> np.ndarray:
    recording = _open(path)
    with damage_reported(path, _WHAT):
        leads = _leads(path, recording, stated)
        end = min(samples, _samples(recording, leads["I"])) / leads["I"].sampling_frequency
        found = {}
        for lead, signal in leads.items():
            size = stated.millivolts(path, signal.physical_dimension.strip() or None)
            found[lead] = signal.get_data_slice(0, end) * size
    return check_numbers(path, twelve_leads(found))


def _open(path: Path) -> Any:
    """The recording, of which edfio reads samples only when they are asked for."""
    size = check_size(path, _LARGEST, "an EDF file")
    _check_head(path, size)
    with needs_package("edf", path):
        import edfio
    with damage_reported(path, _WHAT):
        warnings.filterwarnings("error", message=_TRUNCATED)
        return edfio.read_edf(path, lazy_load_data=True)


def _check_head(path: Path, size: int) -> None:
    """Raises DataError where a file claims more than it holds, before anything is allocated for it."""
    with damage_reported(path, _WHAT):
        with path.open("rb") as file:
            head = file.read(_HEADER)
            signals = int(head[252:256])
            lengths = file.read(_HEADER * signals)[216 * signals : 224 * signals]
        records = int(head[236:244])
        record = 2 * sum(int(lengths[i : i + 8]) for i in range(0, len(lengths), 8))
    if head[:8] != b"0       " or not 0 < signals <= 4096 or len(lengths) != 8 * signals:
        raise DataError(f"{path} is damaged, or not {_WHAT}; get the file again")
    if head[192:197] == b"EDF+D":
        raise DataError(f"{path} is a recording with gaps (EDF+D); cut it into records without gaps")
    if not 0 < record <= LARGEST_EDF_DATA_RECORD or records < 1 or _HEADER * (signals + 1) + records * record > size:
        raise DataError(f"{path} is truncated: it announces {records} data records of {record} bytes; get it again")


def _leads(path: Path, recording: Any, stated: Stated) -> dict[str, Any]:
    """The signals of the leads, which must have one rate."""
    signals = recording.signals
    names = stated.names(path, [signal.label for signal in signals], len(signals))
    found = {lead: signals[i] for lead, i in find_leads(path, names, stated.mend(names)).items()}
    if len({signal.samples_per_data_record for signal in found.values()}) > 1:
        raise DataError(f"{path}: its leads have different sampling rates; write them with one")
    return found


def _samples(recording: Any, signal: Any) -> int:
    return int(recording.num_data_records) * int(signal.samples_per_data_record)


def _sex(recording: Any) -> str:
    """The second word of EDF+'s patient field; plain EDF may have free text there."""
    field = _PATIENT.match(recording.local_patient_identification)
    return field[1] if field else ""
