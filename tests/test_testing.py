"""The checks for plugin authors: sound plugins pass, and each flaw ends in its own sentence."""

from __future__ import annotations

import csv
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sample_plugin import Everything, Still, mean_difference, plugin

import ecgsdk
from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import STATEMENTS
from ecgsdk.testing import SCP_CODES, check_classifier, check_generator, check_metric, check_plugin

LABELS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=bool)


class Sound:
    """The share of each label, tilted by a record's amplitude."""

    def fit(self, signals, labels, *, seed):
        self.share = labels.mean(axis=0)
        self.usual = np.abs(signals).mean()

    def predict_proba(self, signals):
        tilt = np.abs(signals).mean(axis=(1, 2)) / self.usual - 1
        return 1 / (1 + np.exp(-self.share[None, :] - tilt[:, None]))


class SoundFixed:
    labels = ("loud", "quiet")
    statements = {"loud": ("LVH", "ASMI")}  # noqa: RUF012
    sampling_rate = 250
    leads = ("V5", "I")
    units = "uV"

    def predict_proba(self, signals):
        assert signals.dtype == np.float32
        assert signals.shape[1:] == (2, 2500)
        loud = np.abs(signals).max(axis=(1, 2)) > 1000
        return np.stack([loud, ~loud], axis=1).astype(float)


def with_parts(base, **parts):
    """A subclass with some parts replaced."""
    return type("Flawed", (base,), parts)


@pytest.fixture
def check(real_batch):
    def run(factory, **options):
        check_classifier(factory, signals=real_batch.signals, labels=LABELS, **options)

    return run


@pytest.mark.parametrize(("factory", "kind"), [(Sound, "trainable"), (SoundFixed, "fixed")])
def test_sound_classifiers_pass(check, factory, kind):
    assert check(factory) is None
    check(factory, kind=kind, pickled=True)


def test_the_model_makes_ecgs_where_none_are_given():
    check_classifier(Sound)
    check_metric(lambda: mean_difference)


def test_a_classifier_is_given_what_it_asks_for(real_batch):
    given = []

    class Small(Sound):
        sampling_rate, leads, units = 50, ("V2", "II"), "uV"

        def fit(self, signals, labels, *, seed):
            given.append((signals, labels, seed))
            super().fit(signals, labels, seed=seed)

    signals = real_batch.signals
    check_classifier(Small, signals=np.repeat(signals, 2, axis=2), labels=LABELS, sampling_rate=200)
    assert {(signals.dtype.name, signals.shape) for signals, _, _ in given} == {("float32", (6, 2, 500))}
    assert [labels.shape[1] for _, labels, _ in given] == [3, 3, 1, 3]
    assert given[0][2] == given[1][2]
    assert not given[3][1][:, 2].any()
    assert np.abs(given[0][0]).max() > 100


def noisy(self, signals):
    return np.clip(Sound.predict_proba(self, signals) + np.random.default_rng().normal(size=(len(signals), 1)), 0, 1)


def relative(self, signals):
    return Sound.predict_proba(self, signals - signals.mean(axis=0))


def unscaled(self, signals):
    return 5 * Sound.predict_proba(self, signals)


def squeezed(self, signals):
    return np.squeeze(Sound.predict_proba(self, signals))


def scaling_in_place(self, signals):
    told = Sound.predict_proba(self, signals)
    signals *= 2
    return told


def lost(self, signals):
    return np.full((len(signals), len(self.share)), np.nan)


def fits_at_random(self, signals, labels, *, seed):
    self.share, self.usual = np.random.default_rng().normal(size=labels.shape[1]), 1.0


def scales_signals(self, signals, labels, *, seed):
    Sound.fit(self, signals, labels, seed=seed)
    signals -= 1


def smooths_labels(self, signals, labels, *, seed):
    Sound.fit(self, signals, labels, seed=seed)
    labels[0] = True


def needs_two_labels(self, signals, labels, *, seed):
    if labels.shape[1] < 2:
        raise IndexError("index 1 is out of bounds")
    Sound.fit(self, signals, labels, seed=seed)


def needs_both_classes(self, signals, labels, *, seed):
    if not labels.any(axis=0).all():
        raise ValueError("only one class")
    Sound.fit(self, signals, labels, seed=seed)


def knows_no_seed(self, signals, labels):
    pass


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"predict_proba": noisy}, "predict_proba gives others when asked again, up to"),
        ({"predict_proba": relative}, "a record's probability depends on the others: in batches of 1"),
        ({"predict_proba": unscaled}, "outside of 0 to 1"),
        ({"predict_proba": squeezed}, r"predict_proba of 1 record\(s\) fails: .*shape \(3,\), not"),
        ({"predict_proba": lost}, "values that are not finite"),
        ({"predict_proba": scaling_in_place}, "predict_proba changed the signals"),
        ({"predict_proba": lambda self, signals: "yes"}, "not an array of numbers"),
        ({"fit": fits_at_random}, "fit twice with the same seed and data gives other probabilities"),
        ({"fit": scales_signals}, "fit changed the signals"),
        ({"fit": smooths_labels}, "fit changed the labels"),
        ({"fit": needs_two_labels}, r"fit on 1 label\(s\) fails: IndexError: index 1"),
        ({"fit": needs_both_classes}, r"fit on 3 label\(s\), one of which no record has fails: ValueError: only one"),
        ({"fit": knows_no_seed}, "TypeError: .*'seed'"),
        ({"leads": ("V9",)}, "lead 'V9' is not one of the 12"),
        ({"units": "V"}, "units 'V' are unknown"),
        ({"sampling_rate": 0}, "sampling_rate is 0; give a positive number"),
        ({"__init__": lambda self: 1 / 0}, "the factory fails: ZeroDivisionError: division by zero"),
    ],
)
def test_a_flaw_of_a_trainable_classifier_is_found(check, parts, said):
    with pytest.raises(AssertionError, match=said) as failed:
        check(with_parts(Sound, **parts))
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"statements": {"loud": ("LVHH",)}}, "statements of label 'loud': LVHH is no SCP-ECG statement"),
        ({"statements": {"silent": ("LVH",)}}, "statements for label 'silent', which is not one of its labels"),
        ({"statements": {"loud": "LVH"}}, "statements must be lists of codes"),
        ({"statements": ("LVH",)}, "statements must map labels to tuples"),
        ({"labels": ("loud", "loud")}, "labels must be names, each once"),
        ({"labels": ("loud",), "statements": {}}, "not .records, labels. "),
        ({"thresholds": {"loud": 2}}, "threshold 2 of label 'loud'"),
        ({"leads": ()}, "leads must be names"),
        ({"sampling_rate": None}, "sampling_rate is None"),
    ],
)
def test_a_flaw_of_a_fixed_classifier_is_found(check, parts, said):
    with pytest.raises(AssertionError, match=said):
        check(with_parts(SoundFixed, **parts))


def test_a_fixed_classifier_names_all_that_it_wants(check):
    class Bare:
        labels = ("a",)

        def predict_proba(self, signals): ...

    with pytest.raises(AssertionError, match="has the attribute statements, sampling_rate, leads, units; Bare has not"):
        check(Bare)


def test_the_kind_can_be_demanded(check):
    with pytest.raises(AssertionError, match="SoundFixed is fixed, not trainable"):
        check(SoundFixed, kind="trainable")


def test_a_factory_makes_a_new_one_each_time(check):
    only = Sound()
    with pytest.raises(AssertionError, match="one object twice"):
        check(lambda: only)


def warns(category):
    def fit(self, signals, labels, *, seed):
        warnings.warn("y is a\ncolumn vector", category, stacklevel=2)
        Sound.fit(self, signals, labels, seed=seed)

    return fit


@pytest.mark.parametrize("action", ["error", "default", "ignore"])
def test_a_warning_of_the_classifier_is_a_finding_whatever_the_filters_say(check, action):
    said = r"^the classifier warns: UserWarning: y is a column vector \(test.*py, line \d+\); mend what it warns of"
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(AssertionError, match=said):
            check(with_parts(Sound, fit=warns(UserWarning)))


def test_other_findings_come_before_warnings(check):
    with pytest.raises(AssertionError, match="outside of 0 to 1"):
        check(with_parts(Sound, fit=warns(UserWarning), predict_proba=unscaled))


def test_warnings_that_python_hides_are_none(check):
    check(with_parts(Sound, fit=warns(DeprecationWarning)))


def test_pickling_is_checked_on_demand(check):
    class Local(Sound):
        """Cannot be pickled: it lies inside a function."""

    check(Local)
    with pytest.raises(AssertionError, match="pickling fails: "):
        check(Local, pickled=True)


def test_what_the_author_must_give(real_batch):
    with pytest.raises(ValueError, match="give them with the signals"):
        check_classifier(Sound, signals=real_batch.signals)
    with pytest.raises(ValueError, match="2 ECGs are too few"):
        check_classifier(SoundFixed, signals=real_batch.signals[:2])


def test_the_codes_are_those_of_ptbxl(ptbxl_folder):
    with (ptbxl_folder / "scp_statements.csv").open(newline="") as file:
        published = {row[""] for row in csv.DictReader(file)}
    assert set(SCP_CODES) == published | set(STATEMENTS)
    assert len(set(SCP_CODES)) == len(SCP_CODES)


def test_a_plugin_is_checked_as_a_whole():
    check_plugin(Everything())
    with pytest.raises(AssertionError, match="would be left out: there is no hook register_metric;"):
        check_plugin(plugin(register_metric=lambda register: None))
    with pytest.raises(AssertionError, match="writer npz is claimed by ecgsdk itself"):
        check_plugin(plugin(register_writers=lambda register: register("npz", len, suffixes=".x")))


def growing():
    calls = []

    def metric(real, synthetic):
        calls.append(1)
        return float(len(calls))

    return metric


def doubling(real, synthetic):
    real.signals[...] *= 2
    return 1.0


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (lambda real, synthetic: float("nan"), "gave nan; a figure must be finite"),
        (lambda real, synthetic: "good", "the metric fails: ValueError"),
        (lambda real, synthetic: {}, "gave no figure"),
        (lambda real, synthetic: {"T wave": 1.0}, "figure 'T wave': use lower case"),
        (lambda real: 1.0, "the metric fails: TypeError"),
        (growing(), "then .* for the same ECGs"),
        (doubling, "the metric changed the signals"),
    ],
)
def test_a_flaw_of_a_metric_is_found(real_batch, metric, said):
    with pytest.raises(AssertionError, match=said):
        check_metric(lambda: metric, real=real_batch, synthetic=real_batch)


def test_sound_metrics_pass(real_batch):
    check_metric(lambda: mean_difference, real=real_batch, synthetic=real_batch)
    check_metric(lambda: lambda real, synthetic: {"a_1": 0, "b": 2.5}, real=real_batch, synthetic=real_batch)


def test_sound_generators_pass():
    check_generator(Still)
    check_generator(ecgsdk.load_generator, n=2)


def changed(**facts):
    """`Still.generate` with each batch changed."""

    def generate(self, *asked, **options):
        for batch in Still.generate(self, *asked, **options):
            new = {name: value(batch) if callable(value) else value for name, value in facts.items()}
            yield replace(batch, **new)

    return {"generate": generate}


def by_batch_size(self, cohort, n, *, batch_size=64, **options):
    for batch in Still.generate(self, cohort, n, **options):
        yield replace(batch, signals=batch.signals + np.float32(batch_size))


def at_random(self, cohort, n, **options):
    for batch in Still.generate(self, cohort, n, **options):
        yield replace(batch, signals=np.random.default_rng().normal(size=(1, 12, 500)).astype(np.float32))


def counted_from_zero(self, cohort, n, *, start=0, **options):
    for i, batch in enumerate(Still.generate(self, cohort, n, start=start, **options)):
        yield replace(batch, identifiers=(str(i),))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"name": ""}, "name must be text"),
        ({"statements": ("NORMAL",)}, "statements: NORMAL is no SCP-ECG statement"),
        ({"sampling_rates": ()}, "sampling_rates are"),
        ({"sampling_rates": (500.0, 50.0)}, "50 Hz, though the default rate is 500 Hz"),
        (changed(signals=lambda batch: batch.signals.astype(float)), "float64, not float32"),
        (changed(signals=lambda batch: batch.signals + np.float32(900)), "up to 900 cannot be mV"),
        (changed(signals=lambda batch: batch.signals * np.float32(np.nan)), "not all finite"),
        (changed(provenance=None), "no provenance"),
        (changed(provenance=lambda batch: replace(batch.provenance, seed=1)), "differs from that of the batches"),
        (changed(conditions=(ecgsdk.Condition(),)), "asked for NORM, a record says that it shows"),
        (changed(conditions=(ecgsdk.Condition(("NORM",), age=(1, 2)),)), "has a span"),
        ({"generate": by_batch_size}, "a record changes with the batch size"),
        ({"generate": at_random}, "other ECGs for the same seed"),
        ({"generate": counted_from_zero}, "identifier or condition changes with the first record"),
        ({"generate": lambda self, cohort, n, **_: []}, "0 records, 4 were asked for"),
        ({"generate": lambda self, cohort, n, **_: [np.zeros(3)]}, "ndarray, not ECGBatch"),
    ],
)
def test_a_flaw_of_a_generator_is_found(parts, said):
    with pytest.raises(AssertionError, match=said):
        check_generator(with_parts(Still, **parts))


def test_a_batch_larger_than_asked_for_is_found():
    class Greedy(Still):
        def generate(self, cohort, n, *, start=0, **options):
            batches = list(super().generate(cohort, n, start=start, **options))
            yield ECGBatch(
                np.concatenate([batch.signals for batch in batches]),
                50.0,
                tuple(batch.conditions[0] for batch in batches),
                tuple(batch.identifiers[0] for batch in batches),
                batches[0].provenance,
            )

    with pytest.raises(AssertionError, match="a batch of 4 records, 1 at most"):
        check_generator(Greedy)
