"""What the suite trains and tests on: records, tasks, the cache, and nothing that is tested on what it learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ecgsdk
from ecgsdk.batch import Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import ConditionError, DataError
from ecgsdk.leads import to_twelve
from ecgsdk.readers import ECGSource, read_ptbxl
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.datasets import DataSets, Real, askable, from_file, from_synthesiser, open_real, open_synthetic
from ecgsdk.validation.progress import no_progress
from ecgsdk.validation.records import join, load_records
from ecgsdk.validation.settings import Settings
from ecgsdk.validation.utility.outcomes import MULTI_LABEL, outcomes
from ecgsdk.validation.utility.tasks import LABELS, label_matrix, task_rows
from ecgsdk.validation.utility.trainings import Trainer
from ecgsdk.writers import open_writer


@pytest.fixture
def records(ptbxl_folder):
    return load_records(read_ptbxl(ptbxl_folder))


def test_records_hold_what_was_read(records, real_batch):
    assert records.microvolts.dtype == np.int16
    assert records.identifiers == real_batch.identifiers
    np.testing.assert_allclose(records.twelve(), real_batch.signals, atol=0.0025)
    assert np.all(records.residuals < 2.5)


def test_records_at_500_hz_are_brought_to_100_hz(ptbxl_folder):
    records = load_records(read_ptbxl(ptbxl_folder, sampling_rate=500))
    assert records.microvolts.shape == (6, 8, 1000)


def test_the_key_of_records_depends_on_samples_labels_and_order(records):
    changed = replace(records, conditions=(Condition(("AFIB",)), *records.conditions[1:]))
    keys = {records.key, changed.key, records.select([1, 0, 2, 3, 4, 5]).key, records.select(range(5)).key}
    assert len(keys) == 4
    assert records.select(range(6)).key == records.key


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, "lead V1 has no number .NaN. at 0.05 s; fill the gap"),
        (33.0, "lead V1 reaches 33 mV, beyond 32.767 mV; mend its unit"),
        (-np.inf, "lead V1 reaches inf mV"),
    ],
)
def test_samples_that_are_no_voltages_are_refused(ptbxl_folder, value, said):
    source = read_ptbxl(ptbxl_folder)

    def read(chosen):
        signals = source.read(chosen)
        signals[2, 6, 5] = value
        return signals

    with pytest.raises(DataError, match=f"record {source.identifiers[2]}: {said}"):
        load_records(replace(source, read=read))


def test_labels_are_made_by_any_of_their_statements():
    matrix = label_matrix([Condition(("AFLT", "LVH")), Condition(), Condition(("NORM",))])
    names = list(LABELS)
    assert [names[k] for k in np.flatnonzero(matrix[0])] == ["AFIB/AFLT", "LVH"]
    assert matrix.sum(axis=1).tolist() == [2, 0, 1]


def test_a_binary_task_takes_who_is_normal_or_of_the_group_but_not_both():
    codes = [("NORM",), ("LVH",), ("NORM", "LVH"), ("AFIB",), ("LVH", "MI"), ("NORM",), ("NORM",)]
    rows = task_rows([Condition(code) for code in codes], "lvh")
    assert rows.positions.tolist() == [0, 1, 4, 5, 6]
    assert rows.labels.tolist() == [False, True, True, False, False]
    assert rows.smaller_side == 2
    assert rows.balanced(2).positions.tolist() == [0, 1, 4, 5]
    assert len(task_rows([], "lvh")) == 0


def test_the_cache_gives_back_what_it_kept(tmp_path):
    cache, made = Cache(tmp_path / "cache"), []

    def make():
        made.append(1)
        return {"values": np.arange(3)}

    for _ in range(2):
        assert cache.arrays("kind", {"a": 1}, make)["values"].tolist() == [0, 1, 2]
    assert len(made) == 1
    cache.arrays("kind", {"a": 2}, make)
    assert len(made) == 2


def test_a_damaged_cache_is_made_anew(tmp_path):
    cache = Cache(tmp_path)
    cache.arrays("kind", {}, lambda: {"values": np.zeros(2)})
    path = cache.path("kind", {})
    path.write_bytes(path.read_bytes()[:40])
    assert cache.arrays("kind", {}, lambda: {"values": np.ones(2)})["values"].tolist() == [1, 1]
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_contradicts_itself_is_not_asked_for():
    assert askable(Condition(("NORM", "AFIB"))) is None
    asked = askable(Condition(("AFIB", "SR", "LVH"), 80.0, 70.0, "F"))
    assert asked == Condition(("AFIB", "LVH"), None, 70.0, "F")


def test_ages_are_brought_into_what_the_model_learned():
    generator = ecgsdk.load_generator()
    assert askable(Condition(("NORM",), age=3.0), generator).age == generator.card.age[0]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"sections": ("utility", "privcy")}, ConditionError, "privcy.*privacy"),
        ({"protocols": ("tstr", "rttr")}, ConditionError, "rttr"),
        ({"synthetic": "a.h5", "generator": "ptbxl-flow"}, ConditionError, "not both"),
        ({"synthetic": "a.h5", "steps": 3}, ConditionError, "steps is of a generator.*leave it out"),
        ({"test_folds": (8, 9)}, DataError, "fold 8 is to train and to test on"),
        ({"seeds": 0}, ConditionError, "1 seed"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, error, said):
    with pytest.raises(error, match=said):
        Settings(real="ptb-xl", **given)


def test_settings_tell_no_paths():
    assert Settings(real="/home/somebody/ptb-xl/").as_dict()["real"] == "ptb-xl"


def datasets(train, test, synthetic_train, synthetic_test):
    return DataSets(
        train=train,
        test=test,
        synthetic_train=synthetic_train,
        synthetic_test=synthetic_test,
        multi=len(train),
        matched=np.arange(len(synthetic_test)),
        twins=True,
        members=None,
        reference=None,
        sources=(None, None),
        notes=(),
    )


def test_records_to_test_on_must_not_be_trained_on(records):
    first, second, third = records.select([0, 1]), records.select([2, 3]), records.select([4, 5])
    datasets(first, second, third, records.select([])).check()
    with pytest.raises(DataError, match="2 of the real test records are among the real training records"):
        datasets(join(first, second), second, third, third).check()
    with pytest.raises(DataError, match="1 of the real test records are among the synthetic records"):
        datasets(first, second, records.select([3, 4]), third).check()
    with pytest.raises(DataError, match="the same record twice"):
        datasets(first, second, third, third).check()


def test_folds_part_the_real_ecgs(ptbxl_folder):
    folds = read_ptbxl(ptbxl_folder).folds
    real = open_real(Settings(real=str(ptbxl_folder), train_folds=(folds[0],), test_folds=(folds[1],)))
    assert set(real.train.folds) == {folds[0]}
    assert set(real.test.folds) == {folds[1]}


def test_ecgs_without_folds_are_parted_at_random_and_it_is_said(tmp_path, real_batch):
    path = tmp_path / "real.h5"
    with ecgsdk.open_writer(path, sampling_rate=100, total=6, provenance=None) as writer:
        writer.write(real_batch)
    real = open_real(Settings(real=str(path)))
    assert set(real.train.identifiers) | set(real.test.identifiers) == set(real_batch.identifiers)
    assert not set(real.train.identifiers) & set(real.test.identifiers)
    assert "no folds" in real.notes[0]


@pytest.mark.parametrize("stated", [True, False])
def test_ecgs_that_do_not_say_what_made_them_are_taken(drawn_real, stated):
    settings = Settings(real="ptb-xl", records=200, task_records=100)
    made = drawn_source("theirs", 200)
    if not stated:
        made = replace(made, conditions=(Condition(),) * len(made))
    data = from_file(drawn_real, made, settings, no_progress)
    assert not data.twins
    assert len(data.synthetic_test) == len(data.matched) == len(set(data.matched))
    assert len(data.synthetic_train) == 200 - len(data.synthetic_test)
    assert not set(data.synthetic_train.identifiers) & set(data.synthetic_test.identifiers)
    assert ("carry no statement" in data.notes[-1]) != stated
    assert data.members is None


def test_real_test_records_do_not_pass_for_synthetic_ones(drawn_real):
    settings = Settings(real="ptb-xl", records=200, task_records=100)
    with pytest.raises(DataError, match="real test records are among the synthetic records too"):
        from_file(drawn_real, drawn_source("test", 90), settings, no_progress)


def test_too_few_ecgs_without_statements_are_refused(drawn_real):
    made = replace(drawn_source("theirs", 30), conditions=(Condition(),) * 30)
    with pytest.raises(DataError, match="theirs: 15 pairs of a real and a synthetic test record, 20 are needed"):
        from_file(drawn_real, made, Settings(real="ptb-xl"), no_progress)


def test_what_synthetic_ecgs_do_not_say_is_asked_for(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("I,II,V1,V2,V3,V4,V5,V6\n" + "1,2,3,4,5,6,7,8\n" * 9)
    with pytest.raises(DataError, match="for synthetic ECGs, by converting them first: ecgsdk convert .*x.csv -o"):
        open_synthetic(Settings(real="ptb-xl", synthetic=str(path)))


def test_ecgs_that_say_what_made_them_take_no_other_name(tmp_path, synthetic_batch):
    path, facts = tmp_path / "x.h5", {"sampling_rate": synthetic_batch.sampling_rate, "total": len(synthetic_batch)}
    with open_writer(path, provenance=synthetic_batch.provenance, **facts) as writer:
        writer.write(synthetic_batch)
    with pytest.raises(ConditionError, match="x.h5 says that tiny made it; leave out the name"):
        open_synthetic(Settings(real="ptb-xl", synthetic=str(path), name="their GAN"))


def test_damaged_real_ecgs_are_left_out_where_that_is_asked_for(tmp_path, real_batch):
    folder = tmp_path / "real"
    with ecgsdk.open_writer(folder, "wfdb", sampling_rate=100, total=6, provenance=None) as writer:
        writer.write(real_batch)
    (folder / "000002.dat").write_bytes(b"")
    with pytest.raises(DataError):
        load_records(open_real(Settings(real=str(folder), seed=3)).train)
    real = open_real(Settings(real=str(folder), seed=3, skip_damaged=True))
    assert len(load_records(real.train)) + len(load_records(real.test)) == 5
    assert [Path(reason.split()[0]).name for reason in real.train.left_out] == ["000002.dat"]


def drawn_source(name, n, provenance=None):
    """Noise of a kind that differs from record to record; every other record has no standard group."""
    codes = [("NORM",), ("PVC",), ("LVH",), ("IRBBB", "PVC")]
    conditions = tuple(Condition(codes[i % 4]) for i in range(n))
    names = tuple(f"{name}{i}" for i in range(n))
    seeds = [sum(map(ord, name)) * 10_000 + i for i in range(n)]

    def read(chosen):
        noise = [np.random.default_rng(seeds[i]).normal(0, 0.3, (8, 1000)) for i in chosen]
        return to_twelve(np.array(noise, dtype=np.float32))

    return ECGSource(name, 100.0, 1000, conditions, names, (None,) * n, read, provenance)


class Share:
    """Says of every record how common each label was."""

    def fit(self, signals, labels, *, seed):
        self.share = labels.mean(axis=0)

    def predict_proba(self, signals):
        return np.tile(self.share, (len(signals), 1))


@pytest.fixture
def drawn_real():
    rows, test = np.arange(240), drawn_source("test", 90)
    return Real(drawn_source("train", 240), test, rows, multi=200, askable=np.arange(90), has_folds=False, notes=())


@pytest.mark.parametrize("n", [160, 400])
def test_a_file_tests_with_pairs_and_trains_with_the_rest_in_equal_numbers(drawn_real, provenance, tmp_path, n):
    settings = Settings(real="ptb-xl", records=200, task_records=100)
    data = from_file(drawn_real, drawn_source("made.h5", n, provenance), settings, no_progress)
    tested = len(data.synthetic_test)
    assert tested == len(data.matched) == {160: 40, 400: 45}[n]
    assert len(data.synthetic_train) == n - tested
    groups = [data.test.conditions[i].groups() for i in data.matched]
    assert groups == [condition.groups() for condition in data.synthetic_test.conditions]
    assert data.sources[0].identifiers == data.test.select(data.matched).identifiers
    assert data.multi == min(200, n - tested)
    # Records of no standard group train the labels, at random places among the first `multi`.
    without_group = [not condition.groups() for condition in data.synthetic_train.conditions]
    assert sum(without_group) == n // 2
    assert 0.4 < np.mean(without_group[: data.multi // 2]) < 0.8

    found, *_ = outcomes(data, [Trainer("share", "1", Share)], settings, Cache(tmp_path), no_progress)
    for task in (MULTI_LABEL, "lvh"):
        trained_on = {outcome.trained_on for outcome in found if outcome.task == task}
        assert len(trained_on) == 1
    assert {outcome.protocol for outcome in found} == {"trtr", "tstr", "trts", "tsts"}


def test_members_are_read_only_for_sections_that_need_them(drawn_real, provenance, ptbxl_folder):
    settings = Settings(real="ptb-xl", members=str(ptbxl_folder), sections=("utility",))
    made = drawn_source("made.h5", 400, provenance)
    assert from_file(drawn_real, made, settings, no_progress).members is None
    data = from_file(drawn_real, made, replace(settings, sections=("privacy",)), no_progress)
    assert len(data.members) == 2


class Halving:
    """A synthesiser whose ECGs are half as large as their sources."""

    name = "halving"
    sampling_rates = (100.0,)

    def __init__(self):
        self.made = 0

    def provenance(self, *, seed, strength=1.0):
        return Provenance(self.name, "ab" * 32, "1", seed, strength=strength)

    def resynthesize(self, source, *, seed=0, strength=1.0, start=0, batch_size=64):
        for batch in source.batches(batch_size):
            self.made += len(batch)
            names = tuple(str(start + i) for i in range(len(batch)))
            made_by = self.provenance(seed=seed, strength=strength)
            yield replace(batch, signals=batch.signals / 2, identifiers=names, provenance=made_by)


def test_each_real_ecg_has_one_that_was_made_of_it_and_sources_are_members(drawn_real, tmp_path):
    real = replace(drawn_real, rows=np.arange(200, 80, -1), multi=100, askable=np.arange(5, 90))
    settings, cache = Settings(real="ptb-xl", strength=2.0), Cache(tmp_path)
    data = from_synthesiser(real, Halving(), settings, cache, no_progress)
    assert data.resynthesised
    assert np.abs(data.synthetic_train.eight() - data.train.eight() / 2).max() < 0.0011
    assert np.abs(data.synthetic_test.eight() - data.test.select(data.matched).eight() / 2).max() < 0.0011
    assert data.synthetic_train.conditions == data.train.conditions
    assert set(data.members.identifiers) == {f"train{i}" for i in range(101, 201)}
    assert not set(data.reference.identifiers) & set(data.train.identifiers)
    assert data.sources[1].provenance.strength == 2.0
    again = Halving()
    from_synthesiser(real, again, settings, cache, no_progress)
    assert again.made == 0
    from_synthesiser(real, again, replace(settings, strength=1.0), cache, no_progress)
    assert again.made == len(data.train) + len(data.synthetic_test)


def test_ecgs_made_of_test_records_may_not_train(drawn_real, provenance):
    settings = Settings(real="ptb-xl", records=200, task_records=100)
    strong = replace(provenance, steps=None, guidance=None, strength=1.0)
    others = drawn_source("made.h5", 400, strong)
    from_file(drawn_real, others, settings, no_progress)
    read = others.read

    def of_the_test_set(chosen):
        """Records 100 to 189 are the real test records, larger and with noise."""
        signals = read(chosen)
        for row, i in enumerate(chosen):
            if 100 <= i < 190:
                signals[row] = 1.3 * drawn_real.test.read([i - 100])[0] + 0.05 * signals[row]
        return signals

    with pytest.raises(
        DataError, match=r"real test records, such as test\d+, made.h5 seems to hold what a synthesiser"
    ):
        from_file(drawn_real, replace(others, read=of_the_test_set), settings, no_progress)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"strength": 2.0}, "only a synthesiser such as yoo2023 has a strength"),
        ({"generator": "yoo2023", "steps": 3}, "yoo2023 is a synthesiser without steps or qualities"),
        ({"generator": "yoo2023", "quality": "high"}, "yoo2023 is a synthesiser without steps or qualities"),
    ],
)
def test_settings_of_the_other_kind_of_model_are_refused(asked, said, ptbxl_folder):
    folds = ecgsdk.read_ecgs(ptbxl_folder).folds
    settings = Settings(real=str(ptbxl_folder), train_folds=(folds[0],), test_folds=(folds[1],), **asked)
    with pytest.raises(ConditionError, match=said):
        ecgsdk.validation.validate(settings)
