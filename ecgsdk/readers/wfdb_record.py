"""One WFDB record: its header, and its signals in formats 16 and 212 (physionet.org/physiotools/wag/header-5.htm)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.errors import DataError
from ecgsdk.readers.channels import find_leads, lead_of, twelve_leads
from ecgsdk.readers.damage import MEBIBYTE, check_size
from ecgsdk.readers.stated import millivolts_per_unit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Header", "SignalLine", "decode_16", "decode_212", "parse_header", "read_header", "read_signals"]

DEFAULT_RATE = 250.0
DEFAULT_GAIN = 200.0
"""Defaults of the WFDB header format for an absent rate, and for a gain that is absent or 0."""

_LARGEST_HEADER = MEBIBYTE
# Whole numbers are bounded: Python makes any of them, NumPy does not.
_FORMAT = re.compile(r"(\d{1,4})(?:x(\d{1,9}))?(?::(\d{1,9}))?(?:\+(\d{1,15}))?")
_GAIN = re.compile(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)(?:\(([-+]?\d{1,10})\))?(?:/(\S+))?")
_FIELDS = re.compile(r"<([^<>]+)>:?([^<]*)")
_FREE_TEXTS = ("identifier", "model")


@dataclass(frozen=True)
class SignalLine:
    """One signal of a header.

    Attributes:
        file: name of the signal file, beside the header.
        format: 16 or 212.
        offset: bytes before the first sample in the file.
        gain: digital units per mV.
        baseline: digital value of 0 mV.
        name: the lead's name as written.
    """

    file: str
    format: int
    offset: int
    gain: float
    baseline: int
    name: str


@dataclass(frozen=True)
class Header:
    """What a .hea file says.

    Attributes:
        path: the .hea file.
        sampling_rate: Hz.
        samples: samples of each signal.
        signals: the signals in the order of the file.
        fields: comments of the form "key: value" or "<key>: value", keys in lower case.
    """

    path: Path
    sampling_rate: float
    samples: int
    signals: tuple[SignalLine, ...]
    fields: dict[str, str]


def read_header(path: Path) -> Header:
    """The header of the record at `path`, a .hea file.

    Raises:
        DataError: it is missing or is not a header that ecgsdk reads.
    """
    check_size(path, _LARGEST_HEADER, "the header")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check that the record is complete") from error
    return parse_header(text, path)


def parse_header(text: str, path: Path) -> Header:
    """A header from the text of the file at `path`.

    Raises:
        DataError: it is not a WFDB header, or uses what ecgsdk does not read: several segments, formats other than
            16 and 212, several samples a frame, skew.
    """
    lines = [line.strip() for line in text.splitlines()]
    comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
    lines = [line for line in lines if line and not line.startswith("#")]
    record = lines[0].split() if lines else []
    if len(record) < 2:
        raise DataError(f"{path} is not a WFDB header")
    if "/" in record[0]:
        raise DataError(f"{path} has several segments, which ecgsdk does not read; join them with WFDB's wfdb2mat")
    try:
        count = int(record[1])
        rate = float(record[2].split("/")[0].split("(")[0]) if len(record) > 2 else DEFAULT_RATE
        samples = int(record[3]) if len(record) > 3 else 0
    except ValueError:
        raise DataError(f"{path}: cannot make sense of the first line {lines[0][:80]!r}; get it again") from None
    if count < 1 or len(lines) <= count or not 0 < rate < float("inf") or samples < 0:
        raise DataError(f"{path}: {count} signals at {rate:g} Hz announced, {len(lines) - 1} described")
    signals = tuple(_parse_signal(line, path) for line in lines[1 : count + 1])
    samples = samples or _samples_in_file(path, signals)
    return Header(path, rate, samples, signals, _parse_comments(comments))


def read_signals(header: Header, *, samples: int | None = None, allow_nan: bool = False) -> np.ndarray:
    """The first `samples` samples (default: all) of a record: float32 mV, shape (12, samples), leads as `LEADS`.

    Signals that are none of the twelve leads are left out; limb leads that are missing are computed
    (`ecgsdk.readers.channels.twelve_leads`).

    Raises:
        DataError: a signal file is missing, truncated or too long; I, II or one of V1 to V6 is not there; or a
            sample is marked as invalid and `allow_nan` is off (with it on, such samples are NaN).
    """
    positions = find_leads(header.path, [signal.name for signal in header.signals])
    wanted = header.samples if samples is None else min(samples, header.samples)
    groups = [tuple(group) for _, group in groupby(header.signals, key=attrgetter("file"))]
    digital = np.concatenate([_read_group(header, group, wanted) for group in groups])
    leads = {}
    for lead, position in positions.items():
        line = header.signals[position]
        invalid = digital[position] == -(2 ** (11 if line.format == 212 else 15))
        if invalid.any() and not allow_nan:
            raise DataError(f"{header.path}: lead {lead} has samples marked as invalid; leave the record out")
        leads[lead] = (digital[position].astype(np.float32) - np.float32(line.baseline)) / np.float32(line.gain)
        leads[lead][invalid] = np.nan
    return twelve_leads(leads)


def decode_16(data: bytes, count: int) -> np.ndarray:
    """Format 16: `count` two's complement amplitudes of 16 bits, low byte first; as int16."""
    return np.frombuffer(data, dtype="<i2", count=count).astype(np.int16, copy=False)


def decode_212(data: bytes, count: int) -> np.ndarray:
    """Format 212: `count` two's complement amplitudes of 12 bits, two in three bytes; as int16."""
    padded = np.frombuffer(data.ljust(-(-len(data) // 3) * 3, b"\0"), dtype=np.uint8).reshape(-1, 3).astype(np.int16)
    first = padded[:, 0] | (padded[:, 1] & 0x0F) << 8
    second = padded[:, 2] | (padded[:, 1] & 0xF0) << 4
    amplitudes = np.stack([first, second], axis=1).reshape(-1)[:count]
    return np.where(amplitudes >= 2048, amplitudes - 4096, amplitudes).astype(np.int16)


def _parse_signal(line: str, path: Path) -> SignalLine:
    fields = line.split(maxsplit=8)
    form = _FORMAT.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN.fullmatch(fields[2] if len(fields) > 2 else "0")
    if form is None or gain is None:
        raise DataError(f"{path}: cannot make sense of the signal line {line[:80]!r}")
    number, frame, skew, offset = (int(text or 0) for text in form.groups())
    if number not in (16, 212) or frame > 1 or skew:
        raise DataError(
            f"{path}: signal format {fields[1][:20]} is not read; convert the record to format 16 (WFDB's xform)"
        )
    if {"/", "\\", "\0"} & set(fields[0]):
        raise DataError(f"{path}: signal file {fields[0][:80]!r} must lie beside its header")
    units = gain[3] or "mV"
    millivolts = millivolts_per_unit(units)
    try:
        baseline = int(gain[2] or (fields[4] if len(fields) > 4 else 0))
        per_unit = float(gain[1]) or DEFAULT_GAIN
    except ValueError:
        raise DataError(f"{path}: cannot make sense of the signal line {line[:80]!r}") from None
    name = fields[8] if len(fields) > 8 else ""
    if millivolts is None:
        if lead_of(name) is not None:
            raise DataError(f"{path}: unit {units[:20]} is not a voltage; ecgsdk reads nV, uV, mV and V")
        millivolts = 1.0  # of a channel that is left out
    if not 1e-9 < abs(per_unit / millivolts) < 1e12:
        raise DataError(f"{path}: a gain of {gain[1]} in the signal line {line[:80]!r} is not possible")
    return SignalLine(fields[0], number, offset, per_unit / millivolts, baseline, name)


def _parse_comments(comments: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for comment in comments:
        plain = comment.partition(":")[::2]
        # In these "a<b>c" is a part of the text.
        free = plain[0].strip().lower() in _FREE_TEXTS
        pairs = [plain] if free else _FIELDS.findall(comment) or [plain]
        for key, value in pairs:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields


def _read_group(header: Header, group: tuple[SignalLine, ...], samples: int) -> np.ndarray:
    """The signals that share one file: int16 digital values, shape (signals, samples)."""
    first, path = group[0], header.path.with_name(group[0].file)
    if any((line.format, line.offset) != (first.format, first.offset) for line in group):
        raise DataError(f"{header.path}: the signals of {first.file} differ in format")
    _check_size(path, header, first, len(group))
    count = samples * len(group)
    try:
        with path.open("rb") as file:
            file.seek(first.offset)
            data = file.read(_bytes_of(count, first.format))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    decode = decode_16 if first.format == 16 else decode_212
    return decode(data, count).reshape(samples, len(group)).T


def _check_size(path: Path, header: Header, line: SignalLine, signals: int) -> None:
    """Raises DataError unless the file holds what the header says; less than one frame too much is padding."""
    surplus = _file_size(path) - line.offset - _bytes_of(header.samples * signals, line.format)
    if 0 <= surplus < _bytes_of(signals, line.format):
        return
    what = "is truncated, it lacks" if surplus < 0 else "does not match its header, it has a surplus of"
    raise DataError(f"{path} {what} {abs(surplus)} bytes for {header.samples} samples a lead; get the record again")


def _samples_in_file(path: Path, signals: tuple[SignalLine, ...]) -> int:
    """Samples of each signal where the header leaves them out."""
    group = [line for line in signals if line.file == signals[0].file]
    size = _file_size(path.with_name(group[0].file)) - group[0].offset
    amplitudes = size // 2 if group[0].format == 16 else size * 2 // 3
    return max(amplitudes, 0) // len(group)


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check that the record is complete") from error


def _bytes_of(count: int, form: int) -> int:
    return count * 2 if form == 16 else -(-count * 3 // 2)
