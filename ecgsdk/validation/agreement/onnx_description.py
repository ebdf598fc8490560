"""model.json, which says what an ONNX file wants and gives: the keys it may have, and what each must be.

Whatever has a default may be left out; nothing else is understood:

    labels          names of the outputs, in their order
    sampling_rate   Hz
    leads           names of standard leads, in the model's order
    units           "mV" or "uV"
    statements      {label: [SCP-ECG statements any of which make it true]}, or null for a label that none does; labels
                    that are left out are not compared either
    thresholds      {label: probability from which on it is called}; default 0.5
    seconds         length of an ECG; default: the graph's, or whole records
    layout          "leads-first" (records, leads, samples), the default, or "samples-first"
    mean, std       a number, or one for each lead; the graph gets (signal − mean) / std; default 0 and 1
    output          "probabilities", the default, "logits" (a sigmoid follows) or "softmax logits"
    input_name, output_name   in the graph; the second where it has several outputs
    batch_size      records at a time; default: the graph's, or 64
    most_records    how many records of a data set to give it at most, if it is slow
    description     for people
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ecgsdk.conditions import check_known
from ecgsdk.errors import ConditionError, DataError, ModelError
from ecgsdk.leads import standard_lead
from ecgsdk.validation.agreement.scp_codes import SCP_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ecgsdk.classifiers import Units

__all__ = ["LAYOUTS", "OUTPUTS", "OnnxDescription"]

LAYOUTS = ("leads-first", "samples-first")
"""Orders of the graph's axes after the records."""

OUTPUTS = ("probabilities", "logits", "softmax logits")
"""What a graph may give."""

_REQUIRED = ("labels", "sampling_rate", "leads", "units")


@dataclass(frozen=True)
class OnnxDescription:
    """What model.json says; the first lines of the module explain each attribute."""

    labels: tuple[str, ...]
    sampling_rate: float
    leads: tuple[str, ...]
    units: Units
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    layout: str = LAYOUTS[0]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    output: str = OUTPUTS[0]
    input_name: str | None = None
    output_name: str | None = None
    batch_size: int | None = None
    most_records: int | None = None
    description: str = ""

    @classmethod
    def from_json(cls, path: Path) -> OnnxDescription:
        """What the file says.

        Raises:
            ModelError: it is missing, not JSON, or says what cannot be.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ModelError(
                f"cannot read {path}: {error.strerror}; it must tell labels, sampling_rate, leads and units"
            ) from None
        except ValueError as error:
            raise ModelError(f"{path} is not JSON: {error}") from None
        try:
            return cls(**_understood(values))
        except (ConditionError, DataError, _Wrong) as error:
            raise ModelError(f"{path}: {error}") from None


class _Wrong(Exception):
    """A value that cannot be, in words to follow the file's name."""


def _understood(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise _Wrong("must be an object: {...}")
    check_known("key", values, _READERS)
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise _Wrong(f"{missing[0]} is missing")
    read = {key: _READERS[key](key, value) for key, value in values.items()}
    for key in ("statements", "thresholds"):
        check_known("label", read.get(key, ()), read["labels"])
    for key in ("mean", "std"):
        if len(read.get(key, (0.0,))) not in (1, len(read["leads"])):
            raise _Wrong(f"{key} has {len(read[key])} numbers for {len(read['leads'])} leads; give one or one for each")
    if 0 in read.get("std", ()):
        raise _Wrong("std is 0; give positive numbers")
    return read


def _names(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise _Wrong(f"{key} must be a list of names, not {value!r}")
    if len(set(value)) != len(value):
        raise _Wrong(f"{key} has the same name twice")
    return tuple(value)


def _leads(key: str, value: Any) -> tuple[str, ...]:
    return _names(key, [standard_lead(name) for name in _names(key, value)])


def _positive(key: str, value: Any) -> float:
    if not _is_number(value) or not value > 0:
        raise _Wrong(f"{key} must be a positive number, not {value!r}")
    return float(value)


def _count(key: str, value: Any) -> int:
    if _positive(key, value) != int(value):
        raise _Wrong(f"{key} must be a whole number, not {value!r}")
    return int(value)


def _numbers(key: str, value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) and value else [value]
    if not all(map(_is_number, values)):
        raise _Wrong(f"{key} must be a number or a list of numbers, not {value!r}")
    return tuple(map(float, values))


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"{key} must be text, not {value!r}")
    return value


def _one_of(*choices: str) -> Callable[[str, Any], str]:
    def read(key: str, value: Any) -> str:
        if value not in choices:
            raise _Wrong(f"{key} must be {' or '.join(map(repr, choices))}, not {value!r}")
        return value

    return read


def _by_label(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{key} must be an object with labels as keys, not {value!r}")
    return value


def _statements(key: str, value: Any) -> dict[str, tuple[str, ...]]:
    given = {label: codes for label, codes in _by_label(key, value).items() if codes is not None}
    read = {label: _names(f"{key} of {label!r}", codes) for label, codes in given.items()}
    for label, codes in read.items():
        try:
            check_known("statement", codes, SCP_CODES)
        except ConditionError as error:
            raise _Wrong(f"{key} of {label!r}: {error} (null for a label that no statement stands for)") from None
    return {label: read.get(label, ()) for label in value}


def _thresholds(key: str, value: Any) -> dict[str, float]:
    for label, threshold in _by_label(key, value).items():
        if not _is_number(threshold) or not 0 <= threshold <= 1:
            raise _Wrong(f"{key} of {label!r} must be within 0 to 1, not {threshold!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "labels": _names,
    "sampling_rate": _positive,
    "leads": _leads,
    "units": _one_of("mV", "uV"),
    "statements": _statements,
    "thresholds": _thresholds,
    "seconds": _positive,
    "layout": _one_of(*LAYOUTS),
    "mean": _numbers,
    "std": _numbers,
    "output": _one_of(*OUTPUTS),
    "input_name": _text,
    "output_name": _text,
    "batch_size": _count,
    "most_records": _count,
    "description": _text,
}
