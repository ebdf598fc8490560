"""What all formats share: checks of each batch, a file that appears only when complete, errors in one line."""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS
from ecgsdk.writers.atomic import discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from ecgsdk.batch import ECGBatch, Provenance

__all__ = ["Header", "Sink", "Writer"]


@dataclass(frozen=True)
class Header:
    """What is true of all records of one output.

    Attributes:
        sampling_rate: Hz.
        total: number of records.
        samples: samples of each record.
        provenance: what made the ECGs; None for real ones.
    """

    sampling_rate: float
    total: int
    samples: int
    provenance: Provenance | None


class Sink(Protocol):
    """One format: it takes batches in order and need not check them."""

    def write(self, batch: ECGBatch) -> None:
        """Adds the records of a batch."""

    def close(self) -> None:
        """Completes the output."""

    def abort(self) -> None:
        """Lets go of all handles of an output that will not be completed."""


class Writer:
    """Writes batches under a temporary name and gives the output its final name at a clean end of the `with` block.

    After any exception, a KeyboardInterrupt included, nothing is left; a killed process leaves at most
    `.NAME.part-PID` beside the final name.
    """

    def __init__(
        self,
        path: Path,
        open_sink: Callable[[Path, Header], Sink],
        *,
        sampling_rate: float,
        total: int,
        provenance: Provenance | None,
    ) -> None:
        self.path = path
        self.written = 0
        self._open_sink = open_sink
        self._facts = (float(sampling_rate), total)
        self._provenance = provenance
        self._staged = staging_path(path)
        self._header: Header | None = None
        self._sink: Sink | None = None

    def __enter__(self) -> Writer:
        discard(self._staged)
        return self

    def write(self, batch: ECGBatch) -> None:
        """Adds the records of a batch.

        Raises:
            WriteError: the disk does not take them, a sample is not finite, or there are more than announced.
            ValueError: a batch of another rate, length or provenance, or with spans in its conditions.
        """
        if not len(batch):
            return
        self._check(batch)
        with _reported(self.path):
            if self._sink is None:
                self._header = Header(*self._facts, batch.signals.shape[2], self._provenance)
                self._sink = self._open_sink(self._staged, self._header)
            self._sink.write(batch)
        self.written += len(batch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._complete()
        finally:
            if self._sink is not None:
                with suppress(Exception):
                    self._sink.abort()
            discard(self._staged)

    def _complete(self) -> None:
        total = self._facts[1]
        if self._sink is None or self.written != total:
            raise WriteError(f"{self.path} was not written: {self.written} of {total} records came")
        with _reported(self.path):
            self._sink.close()
            self._sink = None
            publish(self._staged, self.path)

    def _check(self, batch: ECGBatch) -> None:
        rate, total = self._facts
        samples = self._header.samples if self._header else batch.signals.shape[2]
        if (batch.sampling_rate, batch.signals.shape[2], batch.provenance) != (rate, samples, self._provenance):
            raise ValueError(f"a batch that differs in rate, length or provenance from what {self.path} was opened for")
        if self.written + len(batch) > total:
            raise WriteError(f"{self.path}: more than the {total} records that were announced")
        for condition in batch.conditions:
            if isinstance(condition.heart_rate, tuple) or isinstance(condition.age, tuple):
                raise ValueError(f"{condition} has a span; write the value that was drawn from it")
        _check_finite(batch)


def _check_finite(batch: ECGBatch) -> None:
    finite = np.isfinite(batch.signals).all(axis=2)
    if not finite.all():
        record, lead = np.argwhere(~finite)[0]
        raise WriteError(f"record {batch.identifiers[record]}: lead {LEADS[lead]} is not finite and cannot be written")


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turns what the file system says into one line."""
    try:
        yield
    except OSError as error:
        mend = "; free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise WriteError(f"cannot write {path}: {error.strerror or _first_line(error)}{mend}") from error


def _first_line(error: OSError) -> str:
    return str(error).partition("\n")[0]
