"""The utility section: four protocols with classifiers that are told apart by what they learn from."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.errors import PluginError
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.datasets import DataSets
from ecgsdk.validation.progress import no_progress
from ecgsdk.validation.records import Records
from ecgsdk.validation.settings import Settings
from ecgsdk.validation.utility.outcomes import MULTI_LABEL, augmentation, outcomes
from ecgsdk.validation.utility.section import section
from ecgsdk.validation.utility.shortages import FEWEST, enough, label_shortage
from ecgsdk.validation.utility.trainings import Trainer, Training
from ecgsdk.validation.utility.two_sample import two_sample_test

GROUPS = (("NORM",), ("AFIB",), ("1AVB",), ("CLBBB",), ("CRBBB",), ("LVH",))
DRAWN_LABELS = ("NORM", "AFIB/AFLT", "1AVB", "CLBBB", "CRBBB", "LVH")


class NearestMean:
    """Tells labels by the distance of lead means to those of the records with and without each label."""

    def fit(self, signals, labels, *, seed):
        means = signals.mean(axis=2)
        self.sides = [
            [means[side].mean(axis=0) if side.any() else np.zeros(12) for side in (column, ~column)]
            for column in labels.T
        ]

    def predict_proba(self, signals):
        means = signals.mean(axis=2)
        away = [[np.linalg.norm(means - centre, axis=1) for centre in side] for side in self.sides]
        return np.stack([without / (within + without + 1e-9) for within, without in away], axis=1)


class Broken(NearestMean):
    def predict_proba(self, signals):
        return super().predict_proba(signals)[:, :0]


def drawn_records(name, n, seed, *, informative=True):
    """Flat lines: a group's record stands higher in that group's lead, or nowhere where it is not informative."""
    random = np.random.default_rng(seed)
    conditions = tuple(Condition(GROUPS[i % 6]) for i in range(n))
    microvolts = random.normal(0, 60, (n, 8, 1)) + np.zeros((1, 1, 1000))
    if informative:
        microvolts[np.arange(n), np.arange(n) % 6] += 150
    samples = microvolts.astype(np.int16)
    identifiers = tuple(f"{name}{i}" for i in range(n))
    return Records(name, conditions, identifiers, samples, np.zeros(n), identifiers)


def drawn_data(*, informative):
    return DataSets(
        train=drawn_records("real", 240, 1),
        test=drawn_records("test", 240, 2),
        synthetic_train=drawn_records("synthetic", 240, 3, informative=informative),
        synthetic_test=drawn_records("twin", 240, 4, informative=informative),
        multi=120,
        matched=np.arange(240),
        twins=True,
        members=None,
        reference=None,
        sources=(None, None),
        notes=(),
    )


@pytest.fixture
def settings():
    return Settings(real="ptb-xl", records=100, task_records=30)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


TRAINER = Trainer("nearest-mean", "1", NearestMean)


def test_each_protocol_trains_and_tests_on_its_sides(settings, cache):
    found, failures, _ = outcomes(drawn_data(informative=False), [TRAINER], settings, cache, no_progress)
    assert failures == []
    assert len(found) == 4 * 6
    measures = section(found).measures
    by_name = {measure.name: measure for measure in measures}
    assert by_name["trtr_macro_auroc"].value > 0.9
    assert by_name["tstr_macro_auroc"].value == pytest.approx(0.5, abs=0.15)
    assert by_name["trts_macro_auroc"].value == pytest.approx(0.5, abs=0.15)
    assert by_name["tstr_balanced_accuracy"].value < 70
    assert by_name["trtr_balanced_accuracy"].value > 80
    assert by_name["tstr_macro_auroc"].floor == by_name["trtr_macro_auroc"].value
    assert by_name["tstr_ratio"].low < by_name["tstr_ratio"].value < by_name["tstr_ratio"].high


def test_equal_sides_give_a_ratio_of_one(settings, cache):
    data = drawn_data(informative=True)
    found, *_ = outcomes(data, [TRAINER], settings, cache, no_progress)
    ratio = section(found).measure("tstr_ratio")
    assert ratio.value == pytest.approx(100, abs=2)
    assert {o.trained_on for o in found if o.task == MULTI_LABEL} == {120}
    assert {o.trained_on for o in found if o.task != MULTI_LABEL} == {60}


def test_only_the_protocols_asked_for_are_reported(settings, cache):
    settings = Settings(real="ptb-xl", records=100, task_records=30, protocols=("tstr",))
    found, *_ = outcomes(drawn_data(informative=True), [TRAINER], settings, cache, no_progress)
    assert {outcome.protocol for outcome in found} == {"tstr"}
    assert section(found).measure("tstr_ratio") is None


def test_a_classifier_that_fails_costs_only_itself(settings, cache):
    trainers = [Trainer("broken", "1", Broken), TRAINER]
    found, failures, _ = outcomes(drawn_data(informative=True), trainers, settings, cache, no_progress)
    assert {outcome.classifier for outcome in found} == {"nearest-mean"}
    assert [failure.what for failure in failures] == ["classifier broken"]
    assert "gave shape (240, 0), not (240, 6)" in failures[0].why


def test_what_a_classifier_raises_is_one_line_with_its_name(cache):
    class Raising(NearestMean):
        def fit(self, signals, labels, *, seed):
            raise RuntimeError("out of\nmemory")

    records = drawn_records("real", 12, 0)
    training = Training(records, np.ones((12, 1), dtype=bool), {"real": records})
    with pytest.raises(PluginError, match=r"^classifier raising: RuntimeError: out of memory$"):
        training.probabilities(Trainer("raising", "1", Raising), 0, cache)


def test_a_training_is_done_once(cache):
    count = []

    class Counting(NearestMean):
        def fit(self, signals, labels, *, seed):
            count.append(seed)
            super().fit(signals, labels, seed=seed)

    records = drawn_records("real", 12, 0)
    training = Training(records, np.arange(12)[:, None] % 2 == 0, {"real": records})
    told = [training.probabilities(Trainer("counting", "1", Counting), seed, cache) for seed in (0, 0, 1)]
    assert count == [0, 1]
    np.testing.assert_array_equal(told[0]["real"], told[1]["real"])


def without(records, statement, left=0):
    """The records, but of those of a statement only the first few."""
    carriers = [i for i, condition in enumerate(records.conditions) if statement in condition.statements]
    return records.select(sorted(set(range(len(records))) - set(carriers[left:])))


def changed(data, **parts):
    return DataSets(**{**vars(data), **parts})


def test_a_group_with_too_few_records_is_named_with_side_class_and_number(settings, cache):
    data = drawn_data(informative=True)
    data = changed(data, train=without(data.train, "CRBBB", 3), test=without(data.test, "CRBBB", 9))
    found, failures, _ = outcomes(data, [TRAINER], settings, cache, no_progress)
    assert [failure.what for failure in failures] == ["normal against rbbb"]
    assert "needed; real training records: 3 of rbbb; real test records: 9 of rbbb; give" in failures[0].why
    assert "rbbb" not in {outcome.task for outcome in found}


def test_labels_with_few_positives_are_left_out_of_all_protocols_and_named(settings, cache):
    data = drawn_data(informative=True)
    data = changed(data, synthetic_test=without(data.synthetic_test, "LVH", FEWEST - 1))
    found, _, notes = outcomes(data, [TRAINER], settings, cache, no_progress)
    assert {outcome.labels for outcome in found if outcome.task == MULTI_LABEL} == {DRAWN_LABELS[:5]}
    assert len(notes) == 1
    assert notes[0].startswith("10 of 15 labels are left out of all protocols; ")
    assert "of 120 real training records IRBBB 0, LAFB 0" in notes[0]
    assert "; of 209 synthetic test records LVH 9." in notes[0]
    assert section(found, notes=notes).notes == tuple(notes)
    assert section(found).measure("tstr_ratio").title.startswith("5 of 15 labels: Macro-AUROC, ")


def test_one_label_is_counted_in_the_singular(settings, cache):
    found, *_ = outcomes(drawn_data(informative=True), [TRAINER], settings, cache, no_progress)
    alone = [
        replace(one, labels=one.labels[:1], truth=one.truth[:, :1], probabilities=one.probabilities[:, :1])
        for one in found
        if one.task == MULTI_LABEL
    ]
    assert section(alone).tables[0].title == "Macro-AUROC of 1 label, by classifier"
    assert section(alone).measure("tstr_ratio").title.startswith("1 of 15 labels: ")


def test_sides_that_no_protocol_tests_on_need_no_records(settings, cache):
    data = drawn_data(informative=True)
    data = changed(data, synthetic_test=without(data.synthetic_test, "LVH"))
    settings = replace(settings, protocols=("tstr", "trtr"))
    found, failures, _ = outcomes(data, [TRAINER], settings, cache, no_progress)
    assert failures == []
    assert {outcome.labels for outcome in found if outcome.task == MULTI_LABEL} == {DRAWN_LABELS}


def test_a_label_that_all_but_a_few_records_carry_is_left_out():
    labels = np.array([[True, i % 2 == 0, i < FEWEST] for i in range(40)])
    assert enough({"real": labels}).tolist() == [False, True, True]
    sides = {"real": labels, "synthetic": labels[2:]}
    assert enough(sides).tolist() == [False, True, False]
    assert label_shortage(sides, ("a", "b", "c")).endswith(
        "of 40 real records a all but 0; of 38 synthetic records c 8"
    )


def test_no_label_at_all_costs_its_task_only(settings, cache):
    data = drawn_data(informative=True)
    data = changed(data, multi=FEWEST)
    found, failures, _ = outcomes(data, [TRAINER], settings, cache, no_progress)
    assert MULTI_LABEL not in {outcome.task for outcome in found}
    assert [failure.what for failure in failures] == ["labels"]
    assert len({outcome.task for outcome in found}) == 5
    assert section(found, failures=failures).measure("tstr_macro_auroc") is None
    assert augmentation(data, TRAINER, settings, cache, no_progress) == []


def test_signals_are_held_once_while_a_classifier_learns(cache):
    """The largest array of the suite: a copy or two of it more is what makes it run out of memory."""
    seen = []

    class Measuring(NearestMean):
        def fit(self, signals, labels, *, seed):
            seen.append((tracemalloc.get_traced_memory()[1], signals.nbytes))
            super().fit(signals[:10], labels[:10], seed=seed)

    records = drawn_records("real", 2_000, 0)
    training = Training(records, np.arange(2_000)[:, None] % 2 == 0, {"real": records.select(range(10))})
    tracemalloc.start()
    try:
        training.probabilities(Trainer("measuring", "1", Measuring), 0, cache)
    finally:
        tracemalloc.stop()
    peak, size = seen[0]
    assert peak < 1.7 * size


def test_classifiers_get_the_records_in_their_own_rate_and_leads(cache):
    class Resampled(NearestMean):
        sampling_rate = 50.0
        leads = ("V6", "II")
        units = "uV"

        def fit(self, signals, labels, *, seed):
            self.given = signals
            given.append(signals)

        def predict_proba(self, signals):
            return np.full((len(signals), 1), 0.5)

    given = []
    records = drawn_records("real", 600, 0)
    training = Training(records, np.ones((600, 1), dtype=bool), {"real": records})
    training.probabilities(Trainer("resampled", "1", Resampled), 0, cache)
    assert given[0].shape == (600, 2, 500)
    np.testing.assert_allclose(given[0][:, 0].mean(axis=1), records.microvolts[:, 7].mean(axis=1), rtol=1e-3, atol=0.1)


def test_tables_have_a_row_for_each_label_and_task(settings, cache):
    found, *_ = outcomes(drawn_data(informative=True), [TRAINER], settings, cache, no_progress)
    tables = {table.name: table for table in section(found).tables}
    assert tuple(row[0] for row in tables["label_auroc"].rows) == DRAWN_LABELS
    assert tables["macro_auroc"].title == "Macro-AUROC of 6 labels, by classifier"
    assert len(tables["binary_tasks"].rows) == 4 * 5 + 4
    assert all(len(row) == len(table.columns) for table in tables.values() for row in table.rows)


def test_synthetic_records_are_added_to_few_real_ones(cache):
    settings = Settings(real="ptb-xl", records=500)
    data = DataSets(
        **{
            **vars(drawn_data(informative=True)),
            "train": drawn_records("real", 600, 5),
            "synthetic_train": drawn_records("synthetic", 600, 6),
            "multi": 600,
        }
    )
    points = augmentation(data, TRAINER, settings, cache, no_progress)
    assert [(point.real, point.synthetic) for point in points] == [(500, 600)]
    assert section([], points, augmented="nearest-mean").tables[0].name == "augmentation"


@pytest.mark.parametrize(("informative", "low", "high"), [(False, 0.8, 1.0), (True, 0.35, 0.65)])
def test_a_fresh_classifier_tells_what_differs_and_nothing_else(cache, informative, low, high):
    """Twins without their group's mark stand lower on the whole; those with it do not."""
    real, twins = drawn_records("test", 240, 2), drawn_records("twin", 240, 4, informative=informative)
    if not informative:
        real = Records(**{**vars(real), "microvolts": real.microvolts + np.int16(80)})
    measure = two_sample_test(real, twins, TRAINER, seed=0, cache=cache, progress=no_progress)
    assert measure.title == f"{TRAINER.name}: AUROC of telling synthetic from real ECGs"
    assert low <= measure.value <= high
    assert measure.low <= measure.value <= measure.high
