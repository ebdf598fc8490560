"""Checks for a plugin's own tests: each returns nothing, or raises an AssertionError of one sentence.

`check_plugin` is given the plugin's module, the others a factory as it is registered. Where no ECGs are given, the
shipped model makes some, for which an ONNX Runtime must be installed (`pip install "ecgsdk[cpu]"`).
"""

from __future__ import annotations

import math
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.cohort import Cohort
from ecgsdk.conditions import STATEMENTS, Condition
from ecgsdk.errors import EcgsdkError
from ecgsdk.validation.agreement.scp_codes import SCP_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ecgsdk.classifiers import FixedClassifier, TrainableClassifier
    from ecgsdk.hookspecs import Classifier, ECGGenerator, Metric

__all__ = ["SCP_CODES", "check_classifier", "check_generator", "check_metric", "check_plugin"]

_GROUPS = ("norm", "afib", "lbbb")
_FIXED_ATTRIBUTES = ("labels", "statements", "sampling_rate", "leads", "units")
_FIGURE = re.compile(r"[a-z0-9_]+")
_HIGHEST_MV = 50.0
_HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def check_plugin(module: object) -> None:
    """Checks that a plugin's hooks are known to ecgsdk, run, and register nothing twice."""
    from ecgsdk.plugins import Plugins

    plugins = Plugins()
    failure = plugins.add(module).failure
    _require(failure is None, f"the plugin would be left out: {failure}")
    clashes = plugins.clashes()
    _require(not clashes, "; ".join(clashes))


def check_classifier(
    factory: Callable[[], Classifier],
    *,
    kind: Literal["trainable", "fixed"] | None = None,
    signals: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    sampling_rate: float = 100.0,
    tolerance: float = 1e-4,
    pickled: bool = False,
) -> None:
    """Checks a classifier as `ecgsdk validate` uses it.

    Its attributes are in order. Its probabilities have the right shape and lie between 0 and 1; they depend neither on
    how many records are given at a time nor on a repetition, and what it is given stays as it is. A trainable one is
    trained four times: twice on three labels with one seed, on one label, and with a label that no record has. None of
    this makes it warn: users would read its warnings in the middle of their validation.

    Args:
        factory: as it is registered.
        kind: what it must be; default: trainable if it has `fit`.
        signals: ECGs to check it with, mV, shape (n, 12, samples) with n of 4 or more; default: 24 made by the model.
        labels: what a trainable one learns from them, bool, shape (n, labels) with labels of 2 or more.
        sampling_rate: of `signals`, Hz; they are brought to the rate, leads and units that the classifier asks for.
        tolerance: by how much a probability may differ between calls that should agree.
        pickled: whether the classifier, trained if it can be, must survive pickling, as parallel work needs.
    """
    signals, labels = _example_ecgs() if signals is None else (signals, labels)
    with _without_warnings():
        classifier = _made(factory)
        found = "trainable" if hasattr(classifier, "fit") else "fixed"
        _require(kind in (None, found), f"{_name(classifier)} is {found}, not {kind}: `fit` makes the difference")
        if found == "fixed":
            _check_fixed(classifier)
            ecgs = _prepared(classifier, signals, sampling_rate)
            _check_predictions(classifier, ecgs, len(classifier.labels), tolerance, pickled=pickled)
            return
        if labels is None:
            raise ValueError("a trainable classifier learns from labels; give them with the signals")
        ecgs = _prepared(classifier, signals, sampling_rate)
        _check_trainings(classifier, factory, ecgs, np.asarray(labels, dtype=bool), tolerance, pickled=pickled)


def check_metric(
    factory: Callable[[], Metric], *, real: ECGBatch | None = None, synthetic: ECGBatch | None = None
) -> None:
    """Checks a metric: one finite figure or several by name, the same at each call, and ECGs left as they are.

    Args:
        factory: as it is registered.
        real, synthetic: equal numbers of ECGs; default: six and six that the model made.
    """
    if real is None or synthetic is None:
        real, synthetic = (_example_batch(6, seed) for seed in (1, 2))
    metric = _made(factory)
    kept = real.signals.copy(), synthetic.signals.copy()
    first, second = (_figures(metric, real, synthetic) for _ in range(2))
    _figures(metric, real, real)
    _require(first == second, f"the metric gave {first}, then {second} for the same ECGs")
    unchanged = np.array_equal(kept[0], real.signals) and np.array_equal(kept[1], synthetic.signals)
    _require(unchanged, "the metric changed the signals that it was given; work on a copy")


def check_generator(factory: Callable[[], ECGGenerator], *, n: int = 4) -> None:
    """Checks a generator: facts, rates, units, conditions and provenance, and that a record depends on its index alone.

    Args:
        factory: as it is registered.
        n: records to make, four times over; 2 or more.
    """
    generator = _made(factory)
    _check_generator_facts(generator)
    asked = [Condition(statements=(code,)) for code in (*generator.statements, *[None] * n)[:n] if code]
    cohort = Cohort.from_conditions([*asked, *[Condition()] * (n - len(asked))])
    whole = _generated(generator, cohort, n, seed=3, batch_size=n)
    again = _generated(generator, cohort, n, seed=3, batch_size=n)
    _require(np.array_equal(whole.signals, again.signals), "generate gives other ECGs for the same seed")
    for given, what in (({"batch_size": 1}, "the batch size"), ({"start": 1, "batch_size": n}, "the first record")):
        start = given.get("start", 0)
        part = _generated(generator, cohort, n - start, seed=3, **given)
        _require_same(part.signals, whole.signals[start:], 1e-4, f"a record changes with {what} (mV)")
        same = (part.identifiers, part.conditions) == (whole.identifiers[start:], whole.conditions[start:])
        _require(same, f"a record's identifier or condition changes with {what}")
    for condition, wanted in zip(whole.conditions, cohort.conditions):
        lost = set(wanted.statements) - set(condition.statements)
        _require(not lost, f"asked for {', '.join(lost)}, a record says that it shows {condition.statements}")
    _require(whole.provenance == generator.provenance(seed=3), "provenance() differs from that of the batches")


def _check_generator_facts(generator: ECGGenerator) -> None:
    _require(isinstance(generator.name, str) and bool(generator.name), "name must be text")
    _check_codes("statements", generator.statements, STATEMENTS)
    rates = tuple(generator.sampling_rates)
    _require(bool(rates) and all(0 < rate < math.inf for rate in rates), f"sampling_rates are {rates!r}, in Hz")


def _generated(generator: ECGGenerator, cohort: Cohort, n: int, **given: Any) -> ECGBatch:
    """All batches as one, each of them checked."""
    with _doing("generate"):
        batches = list(generator.generate(cohort, n, **given))
    for batch in batches:
        _require(isinstance(batch, ECGBatch), f"generate gave {type(batch).__name__}, not ECGBatch")
        _check_batch(batch, given["batch_size"], generator.sampling_rates[0])
    made = sum(map(len, batches))
    _require(made == n, f"generate gave {made} records, {n} were asked for")
    return ECGBatch(
        signals=np.concatenate([batch.signals for batch in batches]),
        sampling_rate=batches[0].sampling_rate,
        conditions=tuple(condition for batch in batches for condition in batch.conditions),
        identifiers=tuple(identifier for batch in batches for identifier in batch.identifiers),
        provenance=batches[0].provenance,
    )


def _check_batch(batch: ECGBatch, size: int, rate: float) -> None:
    _require(len(batch) <= size, f"a batch of {len(batch)} records, {size} at most were asked for")
    _require(batch.sampling_rate == rate, f"{batch.sampling_rate:g} Hz, though the default rate is {rate:g} Hz")
    _require(batch.signals.dtype == np.float32, f"signals are {batch.signals.dtype}, not float32")
    _require(bool(np.isfinite(batch.signals).all()), "signals are not all finite")
    highest = float(np.abs(batch.signals).max())
    _require(highest < _HIGHEST_MV, f"signals of up to {highest:g} cannot be mV")
    _require(isinstance(batch.provenance, Provenance), "a batch has no provenance, as if it were real")
    spans = [c for c in batch.conditions if isinstance(c.heart_rate, tuple) or isinstance(c.age, tuple)]
    _require(not spans, f"{spans[:1]} has a span; say which value was drawn from it")


def _check_fixed(classifier: FixedClassifier) -> None:
    from ecgsdk.validation.agreement.fixed import coverage, thresholds

    missing = [name for name in _FIXED_ATTRIBUTES if not hasattr(classifier, name)]
    _require(not missing, f"a fixed classifier has the attribute {', '.join(missing)}; {_name(classifier)} has not")
    _require(isinstance(classifier.statements, Mapping), "statements must map labels to tuples of SCP codes")
    with _doing("the labels"):
        coverage(classifier)
        thresholds(classifier)
    for label, codes in classifier.statements.items():
        _check_codes(f"statements of label {label!r}", codes, SCP_CODES)


def _check_codes(what: str, codes: Sequence[str], known: Sequence[str] | Mapping[str, str]) -> None:
    _require(not isinstance(codes, str), f"{what} must be a tuple of codes, not the text {codes!r}")
    unknown = [code for code in codes if code not in known]
    _require(not unknown, f"{what}: {', '.join(map(str, unknown))} is no SCP-ECG statement that ecgsdk knows")


def _check_trainings(
    classifier: TrainableClassifier,
    factory: Callable[[], Classifier],
    ecgs: np.ndarray,
    labels: np.ndarray,
    tolerance: float,
    *,
    pickled: bool,
) -> None:
    told = _fitted_predictions(classifier, ecgs, labels, tolerance, pickled=pickled)
    other = _made(factory)
    _require(other is not classifier, "the factory gave one object twice; it must make a new one at each call")
    again = _fitted_predictions(other, ecgs, labels, tolerance)
    _require_same(told, again, tolerance, "fit twice with the same seed and data gives other probabilities")
    _fitted_predictions(_made(factory), ecgs, labels[:, :1], tolerance)
    _fitted_predictions(_made(factory), ecgs, labels & [True] * (labels.shape[1] - 1) + [False], tolerance)


def _fitted_predictions(
    classifier: TrainableClassifier, ecgs: np.ndarray, labels: np.ndarray, tolerance: float, *, pickled: bool = False
) -> np.ndarray:
    """Probabilities after a training, which are checked."""
    rare = "" if labels.any(axis=0).all() else ", one of which no record has"
    given = ecgs.copy(), labels.copy()
    with _doing(f"fit on {labels.shape[1]} label(s){rare}"):
        classifier.fit(*given, seed=1)
    _require(np.array_equal(given[0], ecgs), "fit changed the signals that it was given; work on a copy")
    _require(np.array_equal(given[1], labels), "fit changed the labels that it was given; work on a copy")
    return _check_predictions(classifier, ecgs, labels.shape[1], tolerance, pickled=pickled)


def _check_predictions(
    classifier: Classifier, ecgs: np.ndarray, labels: int, tolerance: float, *, pickled: bool = False
) -> np.ndarray:
    """Probabilities of `predict_proba`, checked."""
    told = _told(classifier, ecgs, labels)
    _require_same(told, _told(classifier, ecgs, labels), tolerance, "predict_proba gives others when asked again")
    for size in (1, 3):
        shares = [_told(classifier, ecgs[first : first + size], labels) for first in range(0, len(ecgs), size)]
        what = f"a record's probability depends on the others: in batches of {size} it is not that of all at once"
        _require_same(told, np.concatenate(shares), tolerance, what)
    if pickled:
        with _doing("pickling"):
            copy = pickle.loads(pickle.dumps(classifier))
        _require_same(told, _told(copy, ecgs, labels), tolerance, "an unpickled copy gives other probabilities")
    return told


def _told(classifier: Classifier, ecgs: np.ndarray, labels: int) -> np.ndarray:
    from ecgsdk.validation.agreement.fixed import check_probabilities

    given = ecgs.copy()
    with _doing(f"predict_proba of {len(ecgs)} record(s)"):
        output = classifier.predict_proba(given)
        told = check_probabilities(output, len(ecgs), labels, _name(classifier))
    _require(np.array_equal(given, ecgs), "predict_proba changed the signals that it was given; work on a copy")
    return told


def _prepared(classifier: Classifier, signals: np.ndarray, sampling_rate: float) -> np.ndarray:
    from ecgsdk.validation.agreement.fixed import prepared

    if len(signals) < 4:
        raise ValueError(f"{len(signals)} ECGs are too few to check a classifier with; give 4 or more")
    with _doing("the input that it asks for"):
        return prepared(np.asarray(signals, dtype=np.float32), sampling_rate, classifier)


def _figures(metric: Metric, real: ECGBatch, synthetic: ECGBatch) -> dict[str, float]:
    with _doing("the metric"):
        value = metric(real, synthetic)
        named = value if isinstance(value, Mapping) else {"": value}
        figures = {str(name): float(figure) for name, figure in named.items()}
    _require(bool(figures), "the metric gave no figure")
    for name, figure in figures.items():
        _require(not name or bool(_FIGURE.fullmatch(name)), f"figure {name!r}: use lower case letters, digits and _")
        _require(math.isfinite(figure), f"the metric gave {figure}; a figure must be finite")
    return figures


def _example_ecgs() -> tuple[np.ndarray, np.ndarray]:
    """Signals (24, 12, samples) at 100 Hz of three groups in turn, and which group each belongs to."""
    batch = _example_batch(24, seed=0)
    return batch.signals, np.array([[group in c.groups() for group in _GROUPS] for c in batch.conditions])


def _example_batch(n: int, seed: int) -> ECGBatch:
    """Generated ECGs in the place of real ones."""
    from ecgsdk.generator import load_generator

    cohort = Cohort.from_groups(_GROUPS)
    (batch,) = load_generator().generate(cohort, n, seed=seed, sampling_rate=100, batch_size=n)
    return replace(batch, provenance=None)


def _made(factory: Callable[[], Any]) -> Any:
    with _doing("the factory"):
        return factory()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Turns the first warning of the block into one sentence, once the rest has been found in order.

    Those that Python hides from users by default do not count.
    """
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        yield
    shown = [warning for warning in given if not issubclass(warning.category, _HIDDEN)]
    said = [f"{warning.category.__name__}: {' '.join(str(warning.message).split())}" for warning in shown]
    where = f" ({Path(shown[0].filename).name}, line {shown[0].lineno})" if shown else ""
    _require(not said, f"the classifier warns: {''.join(said[:1])}{where}; mend what it warns of, or silence it there")


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Turns what the plugin raises into one sentence, with its traceback as the cause."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, EcgsdkError) else f"{type(error).__name__}: {error}"
        raise AssertionError(f"{what} fails: {' '.join(reason.split())}") from error


def _require_same(first: np.ndarray, second: np.ndarray, tolerance: float, what: str) -> None:
    difference = float(np.abs(first - second).max()) if first.shape == second.shape else math.inf
    _require(difference <= tolerance, f"{what}, up to {difference:.2g} apart")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _name(classifier: object) -> str:
    return str(getattr(classifier, "name", type(classifier).__name__))
