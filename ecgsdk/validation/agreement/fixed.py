"""What stands between ECGs and somebody's classifier: its input as it wants it, its output checked, its labels mapped.

A classifier says what it wants by attributes (`ecgsdk.classifiers`); a trainable one may leave them out. Beside those
of the protocols, four more are understood:

    seconds        length it wants: longer records are cut to their first `seconds`, shorter ones are an error
    thresholds     for some of its labels, the probability from which on it calls them; default 0.5
    most_records   how many records of one data set it should be given at most, if it is slow
    name           what messages call it; default: its class
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.conditions import STATEMENTS
from ecgsdk.errors import DataError, EcgsdkError, PluginError
from ecgsdk.leads import LEADS, standard_lead
from ecgsdk.readers.source import fit_signals, fitted_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecgsdk.batch import ECGBatch
    from ecgsdk.classifiers import FixedClassifier, TrainableClassifier, Units
    from ecgsdk.readers.source import ECGSource

__all__ = [
    "CALL_THRESHOLD",
    "Coverage",
    "InputFormat",
    "check_probabilities",
    "coverage",
    "input_format",
    "most_records",
    "prepared",
    "probabilities",
    "thresholds",
]

CALL_THRESHOLD = 0.5
"""Probability from which on a label is called, where the classifier does not say."""

_DEFAULT_RATE = 100.0
_UNITS: dict[Units, float] = {"mV": 1.0, "uV": 1000.0}


@dataclass(frozen=True)
class InputFormat:
    """What a classifier wants to be given.

    Attributes:
        sampling_rate: Hz.
        leads: names of `ecgsdk.leads.LEADS`, in the order wanted.
        units: "mV" or "uV".
        seconds: length, None for whole records.
    """

    sampling_rate: float = _DEFAULT_RATE
    leads: tuple[str, ...] = LEADS
    units: Units = "mV"
    seconds: float | None = None


@dataclass(frozen=True)
class Coverage:
    """What of a fixed classifier's labels and of the statements can be compared.

    Attributes:
        unmapped: labels without statements: their calls are counted, and not compared with any statement.
        foreign: statements of the mapping that no model of ecgsdk can be asked for. Real ECGs may carry them,
            synthetic ones never do.
        uncovered: statements of `ecgsdk.conditions.STATEMENTS` that no label stands for.
    """

    unmapped: tuple[str, ...]
    foreign: tuple[str, ...]
    uncovered: tuple[str, ...]

    def notes(self, name: str) -> tuple[str, ...]:
        """The same in sentences about the classifier called `name`; none where there is nothing to say."""
        said = (
            ("labels without a mapping, whose calls are only counted", self.unmapped),
            ("mapped statements that synthetic ECGs cannot be asked for", self.foreign),
            ("statements that no label stands for", self.uncovered),
        )
        return tuple(f"{name}, {what}: {', '.join(names)}." for what, names in said if names)


def input_format(classifier: TrainableClassifier | FixedClassifier) -> InputFormat:
    """What the classifier wants, by its attributes; where one is missing, 100 Hz, the 12 leads, mV, whole records.

    Raises:
        PluginError: an attribute that cannot be met.
    """
    name = _name(classifier)
    rate = _positive(name, "sampling_rate", getattr(classifier, "sampling_rate", _DEFAULT_RATE))
    seconds = getattr(classifier, "seconds", None)
    units = getattr(classifier, "units", "mV")
    if units not in _UNITS:
        raise PluginError(f"{name}: units {units!r} are unknown; use mV or uV")
    return InputFormat(
        sampling_rate=rate,
        leads=_leads(name, getattr(classifier, "leads", LEADS)),
        units=units,
        seconds=None if seconds is None else _positive(name, "seconds", seconds),
    )


def prepared(signals: np.ndarray, rate: float, classifier: TrainableClassifier | FixedClassifier) -> np.ndarray:
    """ECGs as the classifier wants them: resampled, cut, its leads in its order, in its units.

    Args:
        signals: mV, shape (n, 12, samples), leads in the order of `ecgsdk.leads.LEADS`.
        rate: their sampling rate, Hz.
        classifier: whose attributes count.

    Returns:
        Contiguous float32, shape (n, leads, samples).

    Raises:
        PluginError: the classifier wants what no ECG can be, or longer records than these.
    """
    wanted = input_format(classifier)
    try:
        samples = fitted_length("each record", signals.shape[-1], rate, wanted.sampling_rate, wanted.seconds)
    except DataError as error:
        raise PluginError(f"{_name(classifier)} cannot be given these ECGs: {error}") from None
    chosen = signals[:, [LEADS.index(lead) for lead in wanted.leads]]
    fitted = fit_signals(chosen, rate, wanted.sampling_rate, samples)
    return np.ascontiguousarray(fitted * np.float32(_UNITS[wanted.units]), dtype=np.float32)


def probabilities(classifier: FixedClassifier, ecgs: ECGSource | Iterable[ECGBatch]) -> np.ndarray:
    """What a fixed classifier says of each record, one batch in memory at a time.

    Returns:
        Probability of each label, float64, shape (n, labels).

    Raises:
        PluginError: the classifier fails, or its output is not one probability for each record and label.
        EcgsdkError: what the source or the classifier raises on purpose.
    """
    batches = ecgs.batches() if hasattr(ecgs, "batches") else ecgs
    shares = [_batch_probabilities(classifier, batch) for batch in batches]
    return np.concatenate([np.empty((0, len(classifier.labels))), *shares])


def check_probabilities(output: Any, records: int, labels: int, name: str) -> np.ndarray:
    """What `predict_proba` gave, float64, made sure to be a probability for each record and label.

    Raises:
        PluginError: another shape, a value that is not finite or outside of 0 to 1; it names the classifier.
    """
    try:
        values = np.asarray(output, dtype=np.float64)
    except (TypeError, ValueError):
        raise PluginError(f"{name}: predict_proba gave {type(output).__name__}, not an array of numbers") from None
    if values.shape != (records, labels):
        raise PluginError(f"{name}: predict_proba gave shape {values.shape}, not (records, labels) {(records, labels)}")
    if not np.isfinite(values).all():
        raise PluginError(f"{name}: predict_proba gave values that are not finite; give probabilities")
    if values.size and (values.min() < 0 or values.max() > 1):
        span = f"{values.min():g} to {values.max():g}"
        raise PluginError(f"{name}: predict_proba gave values of {span}, outside of 0 to 1; give probabilities")
    return values


def thresholds(classifier: FixedClassifier) -> np.ndarray:
    """The probability from which on each label is called, shape (labels,).

    Raises:
        PluginError: a threshold for a label that the classifier does not have, or outside of 0 to 1.
    """
    given: Mapping[str, float] = getattr(classifier, "thresholds", {})
    _check_labels(classifier, "thresholds", given)
    for label, value in given.items():
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise PluginError(f"{_name(classifier)}: the threshold {value!r} of label {label!r} is not within 0 to 1")
    return np.array([given.get(label, CALL_THRESHOLD) for label in classifier.labels], dtype=np.float64)


def most_records(classifier: TrainableClassifier | FixedClassifier, available: int) -> int:
    """How many of `available` records the classifier should be given: all, unless it says that it is slow.

    Raises:
        PluginError: its attribute `most_records` is not a positive number.
    """
    most = getattr(classifier, "most_records", None)
    return available if most is None else min(available, int(_positive(_name(classifier), "most_records", most)))


def coverage(classifier: FixedClassifier) -> Coverage:
    """What can be compared of the classifier's labels and the statements.

    Raises:
        PluginError: the mapping names a label that the classifier does not have, or a label twice.
    """
    _check_labels(classifier, "statements", classifier.statements)
    mapped = dict.fromkeys(code for codes in classifier.statements.values() for code in codes)
    return Coverage(
        unmapped=tuple(label for label in classifier.labels if not classifier.statements.get(label)),
        foreign=tuple(code for code in mapped if code not in STATEMENTS),
        uncovered=tuple(code for code in STATEMENTS if code not in mapped),
    )


def _batch_probabilities(classifier: FixedClassifier, batch: ECGBatch) -> np.ndarray:
    signals = prepared(batch.signals, batch.sampling_rate, classifier)
    name = _name(classifier)
    try:
        output = classifier.predict_proba(signals)
    except EcgsdkError:
        raise
    except Exception as error:  # somebody else's code may raise anything
        raise PluginError(f"{name}: predict_proba failed with {type(error).__name__}: {_line(error)}") from error
    return check_probabilities(output, len(batch), len(classifier.labels), name)


def _check_labels(classifier: FixedClassifier, attribute: str, given: Mapping[str, Any]) -> None:
    name, labels = _name(classifier), classifier.labels
    if isinstance(labels, str) or not labels or len(set(labels)) != len(labels):
        raise PluginError(f"{name}: labels must be names, each once, and at least one; they are {labels!r}")
    unknown = [label for label in given if label not in labels]
    if unknown:
        raise PluginError(f"{name}: {attribute} for label {unknown[0]!r}, which is not one of its labels")
    if attribute == "statements" and any(isinstance(codes, str) for codes in given.values()):
        raise PluginError(f'{name}: statements must be lists of codes: ("AFIB",), not "AFIB"')


def _leads(name: str, leads: Iterable[str]) -> tuple[str, ...]:
    if isinstance(leads, str):
        raise PluginError(f"{name}: leads must be a list of names; they are {leads!r}")
    try:
        standard = tuple(standard_lead(lead) for lead in leads)
    except DataError as error:
        raise PluginError(f"{name}: {error}") from None
    if not standard or len(set(standard)) != len(standard):
        raise PluginError(f"{name}: leads must be names, each once, and at least one; they are {tuple(leads)!r}")
    return standard


def _positive(name: str, attribute: str, value: Any) -> float:
    if not isinstance(value, (int, float, np.number)) or not 0 < value < math.inf:
        raise PluginError(f"{name}: {attribute} is {value!r}; give a positive number")
    return float(value)


def _name(classifier: object) -> str:
    return str(getattr(classifier, "name", type(classifier).__name__))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or "no message"
