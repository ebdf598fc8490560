"""Identifier, condition and origin of a record, as files say them in the JSON of `ecgsdk.writers.marking`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ecgsdk.batch import Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["SEXES", "Marking", "condition_of", "identifier_of", "known_number", "marking_among", "provenance_of"]

SEXES: dict[str, Literal["M", "F"]] = {"M": "M", "F": "F"}
"""What clinical formats call the sexes that a condition knows; of all other letters there is none."""

_FORMAT, _VERSION = "ecgsdk", 1
_LONGEST_IDENTIFIER = 4096


@dataclass(frozen=True)
class Marking:
    """What one file says of its record.

    Attributes:
        identifier: the record's name.
        condition: what is known of a real ECG, what was asked of a synthetic one.
        provenance: what made it; None for a real one.
    """

    identifier: str
    condition: Condition
    provenance: Provenance | None


def marking_among(path: Path, texts: Iterable[str]) -> Marking | None:
    """The marking that is one of these texts; None where another program wrote the file.

    Raises:
        DataError: it is ecgsdk's but damaged, or of a later version.
    """
    for text in texts:
        if not text.lstrip().startswith("{") or f'"{_FORMAT}"' not in text:
            continue
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError):
            raise DataError(f"{path} is damaged: its note on condition and origin is no JSON") from None
        if isinstance(facts, dict) and facts.get("format") == _FORMAT:
            return _marking(path, facts)
    return None


def _marking(path: Path, facts: Mapping[str, Any]) -> Marking:
    version = facts.get("format_version")
    if isinstance(version, (int, float)) and version > _VERSION:
        raise DataError(f"{path} was written by a later version of ecgsdk; upgrade with pip install -U ecgsdk")
    provenance = provenance_of(path, facts.get("provenance"))
    if bool(facts.get("synthetic")) != (provenance is not None):
        raise DataError(f"{path} is damaged: it says of what made it one thing and another")
    return Marking(identifier_of(path, facts), condition_of(path, facts), provenance)


def identifier_of(path: Path, facts: Mapping[str, Any]) -> str:
    """The record's name.

    Raises:
        DataError: there is none.
    """
    name = facts.get("identifier")
    if not isinstance(name, str) or len(name) > _LONGEST_IDENTIFIER:
        raise DataError(f"{path} is damaged: an identifier is missing or no text")
    return name


def condition_of(path: Path, facts: Mapping[str, Any]) -> Condition:
    """The condition from statements, heart_rate, age and sex, of which each may be missing or None.

    Raises:
        DataError: a value is not of its kind.
    """
    statements, sex = facts.get("statements") or (), facts.get("sex")
    if not isinstance(statements, (list, tuple)) or not all(isinstance(code, str) for code in statements):
        raise DataError(f"{path} is damaged: statements are no list of texts")
    if sex not in ("M", "F", None, ""):
        raise DataError(f"{path} is damaged: sex is neither M nor F")
    return Condition(
        statements=tuple(statements),
        heart_rate=known_number(path, "heart_rate", facts.get("heart_rate")),
        age=known_number(path, "age", facts.get("age")),
        sex=sex or None,
    )


def provenance_of(path: Path, facts: object) -> Provenance | None:
    """What made the records; None for None.

    Raises:
        DataError: there is something, but it does not say what made them.
    """
    if facts is None:
        return None
    try:
        return Provenance.from_dict(facts)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise DataError(f"{path} is damaged: what it says of the model that made it cannot be understood") from None


def known_number(path: Path, name: str, value: object) -> float | None:
    """A finite number as a float; None for None, an empty text and NaN.

    Raises:
        DataError: it is none of these.
    """
    if value is None or value == "":
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.inf
    if math.isinf(number) or isinstance(value, bool):
        raise DataError(f"{path} is damaged: {name} is no number")
    return None if math.isnan(number) else number
