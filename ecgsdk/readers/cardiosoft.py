"""GE CardioSoft's XML ("CardiologyXML"): the rhythm strip of one file, by the expat parser of Python itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.parsers import expat

import numpy as np

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers.channels import find_leads, twelve_leads
from ecgsdk.readers.marking import known_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Literal

__all__ = ["Strip", "read_strip"]

_STRIP = "CardiologyXML/StripData/"
_PATIENT = "CardiologyXML/PatientInfo/"
_RATE = "CardiologyXML/RestingECGMeasurements/VentricularRate"
_KEPT = {_STRIP + "SampleRate", _STRIP + "Resolution", _STRIP + "WaveformData", _RATE}
_KEPT |= {_PATIENT + "Age", _PATIENT + "Gender"}
_MILLIVOLTS = {"uVperLsb": 1e-3, "mVperLsb": 1.0, "nVperLsb": 1e-6}
_SEXES: dict[str, Literal["M", "F"]] = {"MALE": "M", "FEMALE": "F"}
_MOST_DEEP = 64


@dataclass(frozen=True, eq=False)
class Strip:
    """The rhythm strip of a resting ECG.

    Attributes:
        sampling_rate: Hz; None where the file does not say it.
        signals: float32 mV, shape (12, samples).
        condition: age, sex and the heart rate that the device measured, as far as they are known.
    """

    sampling_rate: float | None
    signals: np.ndarray
    condition: Condition


def read_strip(path: Path) -> Strip:
    """The rhythm strip, not the median beats, of a file that is known to be small.

    Raises:
        DataError: entities are declared, a lead is missing, or the leads differ in length or have no unit.
        expat.ExpatError, ValueError: it is damaged.
    """
    found = _Elements(path).found
    rate = known_number(path, "the sampling rate", _first(found, _STRIP + "SampleRate"))
    size = known_number(path, "the resolution", _first(found, _STRIP + "Resolution"))
    unit = next((attributes.get("units", "") for attributes, _ in found.get(_STRIP + "Resolution", ())), "")
    if size is None or size <= 0 or unit not in _MILLIVOLTS:
        said = "no resolution" if size is None else f"a resolution of {size:g} {unit[:20]!r}, which is not understood"
        raise DataError(f"{path} has {said}; export the record again")
    waves = found.get(_STRIP + "WaveformData", ())
    positions = find_leads(path, [attributes.get("lead", "") for attributes, _ in waves])
    leads = {lead: np.array(waves[i][1].replace(",", " ").split(), dtype=float) for lead, i in positions.items()}
    if len({len(samples) for samples in leads.values()}) > 1:
        raise DataError(f"{path}: its leads differ in length; export the record again")
    scale = size * _MILLIVOLTS[unit]
    return Strip(
        rate, twelve_leads({lead: samples * scale for lead, samples in leads.items()}), _condition(path, found)
    )


def _condition(path: Path, found: Mapping[str, list[tuple[dict[str, str], str]]]) -> Condition:
    """Ages in other units than years are those of infants, and left out."""
    in_years = any(attributes.get("units") == "YEARS" for attributes, _ in found.get(_PATIENT + "Age", ()))
    return Condition(
        heart_rate=known_number(path, "the heart rate", _first(found, _RATE)),
        age=known_number(path, "the age", _first(found, _PATIENT + "Age")) if in_years else None,
        sex=_SEXES.get(_first(found, _PATIENT + "Gender")),
    )


def _first(found: Mapping[str, list[tuple[dict[str, str], str]]], name: str) -> str:
    return next((text.strip() for _, text in found.get(name, ())), "")


class _Elements:
    """Attributes and texts of the elements that are needed, by their path in the document."""

    def __init__(self, path: Path) -> None:
        self.found: dict[str, list[tuple[dict[str, str], str]]] = {}
        self._path = path
        self._names: list[str] = []
        self._texts: list[str] = []
        self._attributes: dict[str, str] = {}
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._texts.append
        parser.EntityDeclHandler = self._refuse
        parser.Parse(path.read_bytes(), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._names.append(name)
        if len(self._names) > _MOST_DEEP:
            raise DataError(f"{self._path} is damaged: its elements lie more than {_MOST_DEEP} deep")
        self._attributes = attributes
        self._texts.clear()

    def _end(self, name: str) -> None:
        place = "/".join(self._names)
        if place in _KEPT:
            self.found.setdefault(place, []).append((self._attributes, "".join(self._texts)))
        self._names.pop()
        self._texts.clear()

    def _refuse(self, *declared: object) -> None:
        raise DataError(f"{self._path} declares entities, which are not read; export the record again")
