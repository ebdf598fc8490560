"""What an ECG is asked to show: SCP-ECG statements, heart rate, age and sex; and the six standard groups."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ecgsdk.errors import ConditionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "GROUPS",
    "STATEMENTS",
    "Condition",
    "Span",
    "check_known",
    "format_span",
    "parse_span",
]

Sex = Literal["M", "F"]
Span = tuple[float, float]

STATEMENTS: Mapping[str, str] = {
    "NORM": "normal ECG",
    "MI": "myocardial infarction (any statement of the diagnostic class MI)",
    "STTC": "ST-T change (any statement of the diagnostic class STTC)",
    "AFIB": "atrial fibrillation",
    "AFLT": "atrial flutter",
    "SBRAD": "sinus bradycardia",
    "STACH": "sinus tachycardia",
    "SARRH": "sinus arrhythmia",
    "PVC": "ventricular premature complex",
    "PAC": "atrial premature complex",
    "BIGU": "bigeminal pattern",
    "PACE": "artificial pacemaker",
    "1AVB": "first degree AV block",
    "LPR": "prolonged PR interval",
    "CLBBB": "complete left bundle branch block",
    "CRBBB": "complete right bundle branch block",
    "ILBBB": "incomplete left bundle branch block",
    "IRBBB": "incomplete right bundle branch block",
    "LAFB": "left anterior fascicular block",
    "LPFB": "left posterior fascicular block",
    "IVCD": "non-specific intraventricular conduction disturbance",
    "WPW": "Wolff-Parkinson-White syndrome",
    "LVH": "left ventricular hypertrophy",
    "RVH": "right ventricular hypertrophy",
    "LAO/LAE": "left atrial overload or enlargement",
    "RAO/RAE": "right atrial overload or enlargement",
    "AMI": "anterior myocardial infarction",
    "STD_": "non-specific ST depression",
    "TAB_": "T-wave abnormality",
    "INVT": "inverted T waves",
    "NDT": "non-diagnostic T abnormalities",
    "LNGQT": "long QT interval",
    "ABQRS": "abnormal QRS",
    "QWAVE": "Q waves present",
    "LVOLT": "low QRS voltages",
}
"""The statements that a model may be asked for, by their SCP-ECG codes as in PTB-XL, each with its meaning."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "norm": ("NORM",),
    "afib": ("AFIB", "AFLT"),
    "1avb": ("1AVB",),
    "lbbb": ("CLBBB",),
    "rbbb": ("CRBBB",),
    "lvh": ("LVH",),
}
"""The six standard groups: a record belongs to a group when it carries any of the group's statements."""

_CONTRADICTIONS = (
    ("NORM", ("MI", "AMI", "STTC", "AFIB", "AFLT", "CLBBB", "CRBBB", "LVH", "RVH", "1AVB", "WPW", "PACE", "LAFB")),
    ("AFIB", ("AFLT", "1AVB", "SARRH", "SBRAD", "STACH", "LPR")),
    ("AFLT", ("SARRH", "SBRAD", "STACH")),
    ("CLBBB", ("CRBBB", "ILBBB", "IRBBB")),
    ("CRBBB", ("IRBBB", "ILBBB")),
    ("SBRAD", ("STACH",)),
    ("LAFB", ("LPFB",)),
)
_RATE_LIMITS = {"SBRAD": (0.0, 65.0), "STACH": (90.0, 1000.0)}


@dataclass(frozen=True)
class Condition:
    """What one ECG shows, or is asked to show.

    Attributes:
        statements: SCP-ECG codes, each once; empty when nothing is known or asked.
        heart_rate: mean ventricular rate in bpm, a (low, high) span to draw from, or None: unknown, to be drawn.
        age: years, span or None likewise.
        sex: "M", "F" or None.
    """

    statements: tuple[str, ...] = ()
    heart_rate: float | Span | None = None
    age: float | Span | None = None
    sex: Sex | None = None

    def __post_init__(self) -> None:
        if isinstance(self.statements, str):
            raise ConditionError(f'statements must be a list of codes: ("{self.statements}",)')
        object.__setattr__(self, "statements", tuple(dict.fromkeys(self.statements)))

    def as_dict(self) -> dict[str, object]:
        """The condition as JSON-ready values."""
        return {
            "statements": list(self.statements),
            "heart_rate": self.heart_rate,
            "age": self.age,
            "sex": self.sex,
        }

    def groups(self) -> tuple[str, ...]:
        """The standard groups that the statements put this ECG into."""
        return tuple(name for name, codes in GROUPS.items() if set(codes) & set(self.statements))

    def check(self) -> None:
        """Raises ConditionError for what no ECG can have: contradicting statements, a span upside down, a wrong sex."""
        for code, others in _CONTRADICTIONS:
            against = [other for other in others if other in self.statements]
            if code in self.statements and against:
                raise ConditionError(f"statements {code} and {against[0]} contradict each other; ask for one of them")
        for name, value in (("heart rate", self.heart_rate), ("age", self.age)):
            if value is None:
                continue
            low, high = value if isinstance(value, tuple) else (value, value)
            if not 0 <= low <= high:
                raise ConditionError(f"{name} {format_span(value)} is not a rising span of positive numbers")
        for code, (low, high) in _RATE_LIMITS.items():
            if code in self.statements and self.heart_rate is not None and not _meets(self.heart_rate, low, high):
                raise ConditionError(f"a heart rate of {format_span(self.heart_rate)} bpm contradicts {code}")
        if self.sex not in (None, "M", "F"):
            raise ConditionError(f"sex {self.sex!r} is unknown; use M or F")

    def holds(self) -> bool:
        """Whether an ECG can have it: whether `check` finds nothing."""
        try:
            self.check()
        except ConditionError:
            return False
        return True


def check_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raises ConditionError for the first of `names` that is not in `known`, and offers the nearest ones."""
    known = list(known)
    for name in names:
        if name in known:
            continue
        folded = {item.lower(): item for item in known}
        near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)
        offer = f"did you mean {' or '.join(folded[item] for item in near)}?" if near else f"known: {', '.join(known)}"
        raise ConditionError(f"unknown {kind} {name!r}; {offer}")


def parse_span(text: str) -> float | Span:
    """The number or the (low, high) span that a user wrote as "72" or "60:80".

    Raises:
        ConditionError: it is neither.
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(math.isfinite(number) for number in numbers):
        raise ConditionError(f"{text!r} is neither a number nor a span like 60:80")
    return (numbers[0], numbers[1]) if len(numbers) == 2 else numbers[0]


def format_span(value: float | Span) -> str:
    """The inverse of `parse_span`."""
    return f"{value[0]:g}:{value[1]:g}" if isinstance(value, tuple) else f"{value:g}"


def _meets(value: float | Span, low: float, high: float) -> bool:
    first, last = value if isinstance(value, tuple) else (value, value)
    return low <= first and last <= high
