"""What a file says of one record's origin and condition: a JSON text for programs, a sentence for people.

The JSON text stands in DICOM (private element and annotation) and EDF+ (annotation) files:

    {"format": "ecgsdk", "format_version": 1, "synthetic": true, "identifier": "2", "statements": ["AFIB", "LVH"],
     "heart_rate": 110.0, "age": 81.0, "sex": "M", "provenance": {"model": "tiny", "seed": 7, ...}}

Unknown values are null, and so is the provenance of a real record. The text is ASCII, as JSON can be in any character
set, and `Provenance.from_dict` takes the provenance as it stands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecgsdk.batch import Provenance
    from ecgsdk.conditions import Condition

__all__ = ["FORMAT", "FORMAT_VERSION", "condition_json", "marking_json", "marking_sentence", "number_text", "one_line"]

FORMAT = "ecgsdk"
FORMAT_VERSION = 1


def condition_json(identifier: str, condition: Condition) -> str:
    """Identifier and condition of one record, a line of JSON."""
    return json.dumps({"identifier": identifier, **condition.as_dict()}, default=float)


def marking_json(identifier: str, condition: Condition, provenance: Provenance | None) -> str:
    """All that is known of one record but its signals, as the module's docstring shows it."""
    facts = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "synthetic": provenance is not None,
        "identifier": identifier,
        **condition.as_dict(),
        "provenance": None if provenance is None else provenance.as_dict(),
    }
    return json.dumps(facts, default=float)


def marking_sentence(identifier: str, condition: Condition, provenance: Provenance) -> str:
    """That a record is synthetic, what made it and what was asked for, or is known of its source, in one line."""
    facts = [*condition.statements]
    if condition.heart_rate is not None:
        facts.append(f"{condition.heart_rate:g} bpm")
    if condition.age is not None:
        facts.append(f"age {condition.age:g}")
    if condition.sex is not None:
        facts.append(f"sex {condition.sex}")
    maker = f"ecgsdk {provenance.version}, model {provenance.model}, seed {provenance.seed}, record {identifier}"
    if provenance.strength is None:
        said = f"asked for: {', '.join(facts) or 'nothing'}"
    else:
        said = f"of a real ECG, strength {provenance.strength:g}; known of that ECG: {', '.join(facts) or 'nothing'}"
    return one_line(f"SYNTHETIC ECG, made by {maker}; {said}.", 500)


def number_text(value: float) -> str:
    """A number with all its digits, and whole ones without a point."""
    return repr(float(value)).removesuffix(".0")


def one_line(text: str, longest: int) -> str:
    """Printable text without line breaks, cut to `longest` characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:longest]
