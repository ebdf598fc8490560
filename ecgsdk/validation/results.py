"""What the validation suite finds, in plain data: the same objects become report.json and report.html.

Report
├── findings        the verdict, a sentence each
└── sections        utility, fidelity, physiology, privacy, agreement, plugins
    ├── measures    single figures, each beside its floor: the same figure of real against real ECGs
    ├── tables, charts, samples
    └── notes, failures
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "SCHEMA_VERSION",
    "Cell",
    "Chart",
    "Failure",
    "Finding",
    "Measure",
    "Report",
    "Sample",
    "Section",
    "Series",
    "Table",
]

SCHEMA_VERSION = 1
"""Version of report.json's layout; raised when a field changes its meaning or goes."""

Cell = str | float | int | bool | None
Role = Literal["real", "synthetic", ""]
Level = Literal["good", "fair", "poor", "unknown"]


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: key, unique within the report: lower case, words joined by underscores.
        title: the same for people, without the unit.
        value: None where it could not be measured.
        unit: "" for a pure number; "%" values are given as 0 to 100.
        better: whether "higher" or "lower" is better, "near" the floor, or "" where neither.
        floor: the same figure of real against real ECGs at the same number of records, or of the real ECGs.
        low, high: ends of the 95 % interval.
        n: number of records it was measured on.
        about: what it is, one sentence with its source.
    """

    name: str
    title: str
    value: float | None
    unit: str = ""
    better: Literal["higher", "lower", "near", ""] = ""
    floor: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    about: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; floats are rounded where they are shown, not here. None is shown as a dash."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One line or one set of bars of a chart; `x` may be numbers or names."""

    name: str
    x: tuple[float | str, ...]
    y: tuple[float | None, ...]
    role: Role = ""


@dataclass(frozen=True)
class Chart:
    """Lines over numbers, steps of a histogram (x: left edges), or bars over names."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    kind: Literal["lines", "steps", "bars"] = "lines"
    log_x: bool = False
    log_y: bool = False
    note: str = ""


@dataclass(frozen=True)
class Sample:
    """One ECG to look at.

    Attributes:
        title: what it is, for people.
        role: "real" or "synthetic".
        group: the standard group it stands for; real and synthetic samples of one group are shown side by side.
        sampling_rate: Hz.
        leads: names of the rows of `microvolts`.
        microvolts: a row of samples a lead.
    """

    title: str
    role: Role
    group: str
    sampling_rate: float
    leads: tuple[str, ...]
    microvolts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Failure:
    """A part that could not be measured, and what to do about it."""

    what: str
    why: str


@dataclass(frozen=True)
class Section:
    """One part of the report.

    Attributes:
        name: "utility", "fidelity", "physiology", "privacy", "agreement" or "plugins".
        title: for people.
        about: what it measures and how to read it, in one or two plain sentences.
    """

    name: str
    title: str
    about: str = ""
    measures: tuple[Measure, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, None if there is none."""
        return next((measure for measure in self.measures if measure.name == name), None)


@dataclass(frozen=True)
class Finding:
    """One sentence of the verdict, in plain words, and how good the news is."""

    section: str
    level: Level
    text: str


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        created: ISO 8601, UTC.
        ecgsdk_version: that made it.
        synthetic, real: descriptions of the two data sets: name, records, sampling rate, provenance or folds.
        settings: what the suite was asked for.
        plugins: name, version and distribution of each plugin that took part.
    """

    created: str
    ecgsdk_version: str
    synthetic: dict[str, Any]
    real: dict[str, Any]
    settings: dict[str, Any]
    plugins: tuple[dict[str, str], ...]
    findings: tuple[Finding, ...]
    sections: tuple[Section, ...]
    schema_version: int = field(default=SCHEMA_VERSION)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values; what is not a finite number becomes None."""
        return _finite(dataclasses.asdict(self))

    def measures(self) -> dict[str, Measure]:
        """All measures by name."""
        return {measure.name: measure for section in self.sections for measure in section.measures}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
