"""WFDB: a folder of records in format 16 with header comments, as PhysioNet's tools read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.leads import LEADS
from ecgsdk.writers.folder import MICROVOLTS_PER_MILLIVOLT
from ecgsdk.writers.marking import number_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgsdk.batch import Provenance
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.folder import Record
    from ecgsdk.writers.writer import Header

__all__ = ["WfdbRecords"]

_SEXES = {"M": "Male", "F": "Female"}


class WfdbRecords:
    """Records 000000.hea and .dat, 000001, … in the order written, and the list RECORDS."""

    list_name = "RECORDS"
    list_head = ""

    def __init__(self, header: Header) -> None:
        self._rate = header.sampling_rate
        self._origin = _origin_comments(header.provenance)

    def files(self, record: Record) -> Iterator[tuple[str, bytes | memoryview]]:
        """The signals, and the header that describes them."""
        yield ".dat", np.ascontiguousarray(record.microvolts.T, dtype="<i2").data
        yield ".hea", self._header_text(record).encode()

    def list_line(self, record: Record) -> str:
        """The record's name."""
        return f"{record.name}\n"

    def _header_text(self, record: Record) -> str:
        name, units = record.name, record.microvolts
        checksums = units.sum(axis=1, dtype=np.int64) & 0xFFFF
        lines = [f"{name} {len(LEADS)} {number_text(self._rate)} {units.shape[1]}"]
        for lead, value, checksum in zip(LEADS, units[:, 0].tolist(), checksums.tolist(), strict=True):
            lines.append(f"{name}.dat 16 {MICROVOLTS_PER_MILLIVOLT}(0)/mV 16 0 {value} {checksum} 0 {lead}")
        # A line break inside a comment would make a line of its own of what follows.
        comments = (*_condition_comments(record.identifier, record.condition), *self._origin)
        lines += ["#" + " ".join(comment.split()) for comment in comments]
        return "\n".join(lines) + "\n"


def _condition_comments(identifier: str, condition: Condition) -> list[str]:
    """The comments that `ecgsdk.readers.wfdb` and the PhysioNet/CinC Challenges read; the unknown is left out."""
    comments = [f"Identifier: {identifier}"]
    if condition.age is not None:
        comments.append(f"Age: {number_text(condition.age)}")  # type: ignore[arg-type]
    if condition.sex is not None:
        comments.append(f"Sex: {_SEXES[condition.sex]}")
    if condition.statements:
        comments.append(f"Statements: {'+'.join(condition.statements)}")
    if condition.heart_rate is not None:
        comments.append(f"Heart rate: {number_text(condition.heart_rate)}")  # type: ignore[arg-type]
    return comments


def _origin_comments(provenance: Provenance | None) -> list[str]:
    if provenance is None:
        return []
    settings = {
        "Steps": provenance.steps,
        "Guidance": provenance.guidance,
        "Strength": provenance.strength,
        "Candidates": provenance.candidates,
    }
    return [
        f"Synthetic ECG: ecgsdk {provenance.version}",
        f"Model: {provenance.model}",
        f"Model SHA-256: {provenance.model_sha256}",
        f"Seed: {provenance.seed}",
        *(f"{name}: {value!r}" for name, value in settings.items() if value is not None),
        *(["Accompanied: true"] if provenance.accompanied else []),
    ]
