"""What all formats share: checks of each batch, a file that appears only when complete, errors in one line."""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ecgsdk.errors import WriteError
from ecgsdk.leads import LEADS
from ecgsdk.resampling import resample, resampled_length
from ecgsdk.writers.atomic import discard, parts_of, publish, staging_path, stale_parts
from ecgsdk.writers.journal import tells_of_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from ecgsdk.batch import ECGBatch, Provenance

__all__ = ["Header", "Sink", "Writer"]

_CANNOT_GO_ON = "what an interrupted run left has another source or other options, or cannot be gone on with"


@dataclass(frozen=True)
class Header:
    """What is true of all records of one output.

    Attributes:
        sampling_rate: Hz.
        total: number of records.
        samples: samples of each record.
        provenance: what made the ECGs; None for real ones.
        recorded_rate: Hz from which the ECGs were resampled for the format; None where they were not.
    """

    sampling_rate: float
    total: int
    samples: int
    provenance: Provenance | None
    recorded_rate: float | None = None


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
    `.NAME.part-HERE-PID` beside the final name, which the next writer of the same output on this machine removes.
    With `take_up`, it goes on with it instead, and a KeyboardInterrupt or a full disk leaves it, too. With `inner`, it
    is a folder in which the output is made under that name.

    Attributes:
        written: records that are written; in the `with` block it begins with those that are taken up.
        header: what is true of all of them, in the output; of no samples before the first batch.
    """

    def __init__(
        self,
        path: Path,
        open_sink: Callable[[Path, Header], Sink],
        *,
        sampling_rate: float,
        total: int,
        provenance: Provenance | None,
        check: Callable[[], None] = lambda: None,
        take_up: Callable[[Path], int] | None = None,
        inner: str = "",
        written_rate: Callable[[float, int], float] = lambda rate, samples: rate,
        tell: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.path = path
        self.written = 0
        self._tell = tell
        self._open_sink = open_sink
        self._facts = (float(sampling_rate), total)
        self._provenance = provenance
        self._staged = staging_path(path)
        self._check_target = check
        self._take_up = take_up
        self._inner = inner
        self._written_rate = written_rate
        self._given = 0
        self.header = Header(*self._facts, 0, provenance)
        self._sink: Sink | None = None

    def __enter__(self) -> Writer:
        parts, stale = parts_of(self.path), stale_parts(self.path)
        with _reported(self.path):
            # What is under this writer's own name comes first, to make room.
            for part in sorted(stale, key=lambda part: part != self._staged):
                if self._take_up is not None and not self.written:
                    self.written = self._taken_up(part)
                else:
                    discard(part)
        if self.written:
            kept = f"{self.written} of {self._facts[1]} records"
            self._tell(f"goes on with {self.path} after {kept}, which an interrupted run wrote")
        elif stale:
            self._tell(f"begins {self.path} anew; {_CANNOT_GO_ON}")
        for part in set(parts) - set(stale):
            self._tell(f"warning: {part} is left from a process that may still run; delete it if none does")
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
                self._given = batch.signals.shape[2]
                self.header = self._make_header(self._given)
                self._sink = self._open_sink(self._staged, self.header)
            self._sink.write(_resampled(batch, self.header))
        self.written += len(batch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = error
        try:
            if kind is None:
                self._complete()
        except BaseException as raised:
            failure = raised
            raise
        finally:
            if self._sink is not None:
                with suppress(Exception):
                    self._sink.abort()
            if not self._worth_keeping(failure):
                discard(self._staged)

    def _worth_keeping(self, error: BaseException | None) -> bool:
        """Whether the next writer can go on with what there is."""
        full = isinstance(error, WriteError) and _is_full(error.__cause__)
        ended = full or isinstance(error, KeyboardInterrupt)
        return self._take_up is not None and ended and tells_of_records(self._staged)

    def _make_header(self, samples: int) -> Header:
        rate, total = self._facts
        written = self._written_rate(rate, samples)
        if written == rate:
            return Header(rate, total, samples, self._provenance)
        why = f"as the format's usual object takes no {rate:g} Hz; keep_rate= (--keep-rate) keeps it"
        self._tell(f"{self.path}: resampled from {rate:g} to {written:g} Hz, {why}")
        return Header(written, total, resampled_length(samples, rate, written), self._provenance, recorded_rate=rate)

    def _taken_up(self, part: Path) -> int:
        """The records of a part, which goes on under this writer's own name; 0 where it cannot, and is removed."""
        with suppress(FileNotFoundError):  # another writer was faster
            part.replace(self._staged)
            kept = self._take_up(self._staged) if self._take_up else 0
            if kept:
                return kept
            discard(self._staged)
        return 0

    def _complete(self) -> None:
        total = self._facts[1]
        if self._sink is None or self.written != total:
            raise WriteError(f"{self.path} was not written: {self.written} of {total} records came")
        with _reported(self.path):
            self._sink.close()
            self._sink = None
            # Others may have written there meanwhile.
            self._check_target()
            publish(self._staged / self._inner, self.path)

    def _check(self, batch: ECGBatch) -> None:
        rate, total = self._facts
        samples = self._given or batch.signals.shape[2]
        if (batch.sampling_rate, batch.signals.shape[2], batch.provenance) != (rate, samples, self._provenance):
            raise ValueError(f"a batch that differs in rate, length or provenance from what {self.path} was opened for")
        if self.written + len(batch) > total:
            raise WriteError(f"{self.path}: more than the {total} records that were announced")
        for condition in batch.conditions:
            if isinstance(condition.heart_rate, tuple) or isinstance(condition.age, tuple):
                raise ValueError(f"{condition} has a span; write the value that was drawn from it")
        _check_finite(batch)


def _resampled(batch: ECGBatch, header: Header) -> ECGBatch:
    """The batch at the rate at which it is written; one record after the other, as that takes memory."""
    if batch.sampling_rate == header.sampling_rate:
        return batch
    signals = np.empty((*batch.signals.shape[:2], header.samples), dtype=np.float32)
    for row, record in enumerate(batch.signals):
        signals[row] = resample(record, batch.sampling_rate, header.sampling_rate)
    return replace(batch, signals=signals, sampling_rate=header.sampling_rate)


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
        mend = "; free some space and try again" if _is_full(error) else ""
        raise WriteError(f"cannot write {path}: {error.strerror or _first_line(error)}{mend}") from error


def _is_full(error: BaseException | None) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _first_line(error: OSError) -> str:
    return str(error).partition("\n")[0]
