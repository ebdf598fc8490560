"""WFDB: a folder of records in format 16 with header comments, as PhysioNet's tools read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.leads import LEADS
from ecgsdk.writers.quantise import quantise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.conditions import Condition
    from ecgsdk.writers.writer import Header

__all__ = ["WfdbSink"]

UNITS_PER_MILLIVOLT = 1000
_SEXES = {"M": "Male", "F": "Female"}


class WfdbSink:
    """Records 000000.hea and .dat, 000001, … in the order written, and the list RECORDS."""

    def __init__(self, path: Path, header: Header) -> None:
        path.mkdir()
        self._folder = path
        self._header = header
        self._digits = max(6, len(str(header.total - 1)))
        self._origin = _origin_comments(header.provenance)
        self._records = (path / "RECORDS").open("w", encoding="ascii", newline="\n")
        self._written = 0

    def write(self, batch: ECGBatch) -> None:
        """Adds the records of a batch."""
        synthetic = self._header.provenance is not None
        units = quantise(batch.signals, 1 / UNITS_PER_MILLIVOLT, derive_leads=synthetic)
        checksums = units.sum(axis=2, dtype=np.int64) & 0xFFFF
        frames = np.ascontiguousarray(units.transpose(0, 2, 1), dtype="<i2")
        for i, condition in enumerate(batch.conditions):
            name = f"{self._written:0{self._digits}d}"
            comments = [*_condition_comments(batch.identifiers[i], condition), *self._origin]
            text = self._header_text(name, units[i, :, 0], checksums[i], comments)
            (self._folder / f"{name}.dat").write_bytes(frames[i].data)
            (self._folder / f"{name}.hea").write_text(text, encoding="utf-8", newline="\n")
            self._records.write(f"{name}\n")
            self._written += 1

    def close(self) -> None:
        """Completes the list of records."""
        self._records.close()

    def abort(self) -> None:
        """Closes the list of records as it is."""
        self._records.close()

    def _header_text(self, name: str, first: np.ndarray, checksums: np.ndarray, comments: Iterable[str]) -> str:
        lines = [f"{name} {len(LEADS)} {self._header.sampling_rate:.10g} {self._header.samples}"]
        for lead, value, checksum in zip(LEADS, first.tolist(), checksums.tolist(), strict=True):
            lines.append(f"{name}.dat 16 {UNITS_PER_MILLIVOLT}(0)/mV 16 0 {value} {checksum} 0 {lead}")
        # A line break inside a comment would make a line of its own of what follows.
        lines += ["#" + " ".join(comment.split()) for comment in comments]
        return "\n".join(lines) + "\n"


def _condition_comments(identifier: str, condition: Condition) -> list[str]:
    """The comments that `ecgsdk.readers.wfdb` and the PhysioNet/CinC Challenges read; the unknown is left out."""
    comments = [f"Identifier: {identifier}"]
    if condition.age is not None:
        comments.append(f"Age: {condition.age:g}")
    if condition.sex is not None:
        comments.append(f"Sex: {_SEXES[condition.sex]}")
    if condition.statements:
        comments.append(f"Statements: {'+'.join(condition.statements)}")
    if condition.heart_rate is not None:
        comments.append(f"Heart rate: {condition.heart_rate:g}")
    return comments


def _origin_comments(provenance: Provenance | None) -> list[str]:
    if provenance is None:
        return []
    settings = {"Steps": provenance.steps, "Guidance": provenance.guidance, "Strength": provenance.strength}
    return [
        f"Synthetic ECG: ecgsdk {provenance.version}",
        f"Model: {provenance.model}",
        f"Model SHA-256: {provenance.model_sha256}",
        f"Seed: {provenance.seed}",
        *(f"{name}: {value!r}" for name, value in settings.items() if value is not None),
    ]
