"""Statements that accompany those asked for: drawn as the table says, none that contradicts, and the table's fit."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import ecgsdk
from ecgsdk.accompanying import Accompaniment, contradictions
from ecgsdk.cards import read_card
from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.drawing import Stream, random_stream
from ecgsdk.generator import Generator
from ecgsdk.training.accompanying import accompanying, boltzmann_fit, pair_shares

CODES = ("NORM", "STTC", "LVH", "PVC")
TABLE = {"bias": [0.5, -1.0, -0.7, -2.0], "coupling": [0.0, 0.0, 0.4, 1.5, -0.6, 0.3]}


def streams(n, seed=0):
    return [random_stream(seed, i, Stream.ACCOMPANYING) for i in range(n)]


def carried(conditions, codes):
    return np.array([[code in c.statements for code in codes] for c in conditions])


def exact_shares(kept_on=()):
    """Shares of the statements by the sum over all sets that hold no contradiction and are not empty."""
    rows, weights = [], []
    for row in product((0, 1), repeat=4):
        x = np.array(row)
        if not x.any() or (x[0] and (x[1] or x[2])) or not all(x[CODES.index(code)] for code in kept_on):
            continue
        rows.append(x)
        weights.append(np.exp(x @ TABLE["bias"] + np.outer(x, x)[np.triu_indices(4, 1)] @ TABLE["coupling"]))
    return np.average(rows, axis=0, weights=weights)


@pytest.fixture(scope="module")
def small():
    return Accompaniment.from_table(CODES, TABLE)


@pytest.fixture(scope="module")
def card():
    return ecgsdk.find_model("ptbxl-flow").card


@pytest.fixture(scope="module")
def shipped(card):
    return Accompaniment.from_table(card.statements, card.accompanying)


@pytest.mark.parametrize("asked", [("LVH",), ("PVC",), ("PVC", "LVH")])
def test_statements_are_drawn_as_often_as_the_table_says(small, asked):
    drawn = carried(small.draw([Condition(asked)] * 4000, streams(4000)), CODES)
    assert drawn.mean(axis=0) == pytest.approx(exact_shares(asked), abs=0.03)


def test_where_nothing_is_asked_for_one_statement_is_there_at_least(small):
    drawn = carried(small.draw([Condition()] * 4000, streams(4000)), CODES)
    assert drawn.any(axis=1).all()
    # Not exact: a draw that ends empty gives way to the one before.
    assert drawn.mean(axis=0) == pytest.approx(exact_shares(), abs=0.1)


def test_what_was_asked_for_stands_first_and_the_rest_of_the_condition_stays(small):
    asked = Condition(("PVC", "LVH"), (60.0, 70.0), 50.0, "F")
    for drawn in small.draw([asked] * 20, streams(20)):
        assert drawn.statements[:2] == ("PVC", "LVH")
        assert replace(drawn, statements=asked.statements) == asked


def test_a_record_does_not_depend_on_its_batch(shipped):
    asked = [Condition((codes[0],)) for codes in GROUPS.values()] + [Condition(), Condition(("MI",), 70.0)]
    together = shipped.draw(asked, streams(len(asked)))
    alone = [shipped.draw([c], [s])[0] for c, s in zip(asked, streams(len(asked)))]
    assert together == alone
    assert together != shipped.draw(asked, streams(len(asked), seed=1))


def test_nothing_contradicts_itself_and_the_group_is_the_one_asked_for(shipped):
    for name, codes in GROUPS.items():
        for drawn in shipped.draw([Condition(codes[:1])] * 150, streams(150)):
            drawn.check()
            assert drawn.groups() == (name,)


def test_beside_two_groups_a_third_is_not_ruled_out(shipped):
    drawn = shipped.draw([Condition(("CLBBB", "LVH"))] * 300, streams(300))
    assert {"lbbb", "lvh"} < {name for c in drawn for name in c.groups()}


@pytest.mark.parametrize(("rate", "never"), [(90.0, "SBRAD"), ((50.0, 80.0), "STACH"), ((50.0, 80.0), "SBRAD")])
def test_a_heart_rate_that_is_asked_for_is_not_contradicted(shipped, rate, never):
    drawn = shipped.draw([Condition(("SARRH",), rate)] * 300, streams(300))
    for condition in drawn:
        condition.check()
    assert not any(never in c.statements for c in drawn)


def test_statements_and_their_number_are_those_of_the_training_data(shipped, card):
    drawn = carried(shipped.draw([Condition()] * 3000, streams(3000)), card.statements)
    counts = np.array([sum(card.histograms[code]["sex"]) for code in card.statements])
    shares = counts / sum(card.histograms["all"]["sex"])
    assert drawn.mean(axis=0) == pytest.approx(shares, abs=0.04)
    assert drawn.sum(axis=1).mean() == pytest.approx(shares.sum(), abs=0.1)


def test_the_generator_says_what_it_drew_and_makes_the_same_ecgs_of_that():
    generator = ecgsdk.load_generator()
    (batch,) = generator.generate(ecgsdk.Cohort.from_groups(GROUPS), 6, seed=3, accompanied=True)
    assert [c.groups() for c in batch.conditions] == [(name,) for name in GROUPS]
    assert any(len(c.statements) > 1 for c in batch.conditions)
    (again,) = generator.generate(ecgsdk.Cohort.from_conditions(batch.conditions), 6, seed=3)
    assert again.conditions == batch.conditions
    assert (batch.provenance.as_dict()["accompanied"], "accompanied" in again.provenance.as_dict()) == (True, False)
    assert (again.signals == batch.signals).all()
    (slice_,) = generator.generate(ecgsdk.Cohort.from_groups(GROUPS), 2, seed=3, start=4, accompanied=True)
    assert slice_.conditions == batch.conditions[4:]


@pytest.mark.parametrize("accompanied", [True, False])
@pytest.mark.parametrize(
    ("format", "package"),
    [
        *((name, "numpy") for name in ("hdf5", "npz", "wfdb", "csv")),
        *(("parquet", "pyarrow"), ("dicom", "pydicom"), ("edf", "edfio")),
    ],
)
def test_every_format_says_whether_statements_were_drawn(tmp_path, synthetic_batch, format, package, accompanied):
    pytest.importorskip(package)
    made = replace(synthetic_batch, provenance=replace(synthetic_batch.provenance, accompanied=accompanied))
    with ecgsdk.open_writer(
        tmp_path / "x", format, sampling_rate=100, total=len(made), provenance=made.provenance
    ) as writer:
        writer.write(made)
    suffix = {"hdf5": ".h5", "npz": ".npz", "parquet": ".parquet"}.get(format, "")
    assert ecgsdk.read_ecgs((tmp_path / "x").rename(tmp_path / f"y{suffix}")).provenance == made.provenance


def test_a_card_without_the_table_is_asked_in_vain():
    model = ecgsdk.find_model("ptbxl-flow")
    old = Generator(replace(model, card=replace(model.card, accompanying=None)))
    assert not old.accompanies
    assert next(old.generate(ecgsdk.Cohort.from_groups(["norm"]), 1)).conditions[0].statements == ("NORM",)
    with pytest.raises(ecgsdk.ModelError, match="does not say which statements occur together; export the model again"):
        old.generate(ecgsdk.Cohort.from_groups(["norm"]), 1, accompanied=True)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"bias": [0.0] * 34, "coupling": [0.0] * 595}, ValueError),
        ({"bias": [0.0] * 35, "coupling": [0.0] * 594}, ValueError),
        ({"bias": [float("nan")] * 35, "coupling": [0.0] * 595}, ValueError),
        ({"bias": ["much"] * 35, "coupling": [0.0] * 595}, TypeError),
        ({"bias": [0.0] * 35}, KeyError),
        ([0.0], TypeError),
    ],
)
def test_a_table_that_could_not_be_drawn_from_is_no_card(card, table, error):
    values = json.loads(json.dumps(card.as_dict()))
    assert read_card(values).accompanying == card.accompanying
    with pytest.raises(error):
        read_card(values | {"accompanying": table})


def test_the_fit_gives_back_how_often_statements_and_pairs_occur():
    random = np.random.default_rng(0)
    latent = random.random((4000, 1)) < 0.4
    records = random.random((4000, 4)) < np.where(latent, [0.0, 0.7, 0.8, 0.2], [1.0, 0.0, 0.0, 0.1])
    against = contradictions(CODES)
    shares, n = pair_shares(records, against)
    bias, coupling = boltzmann_fit(shares, n, against, rounds=300, chains=4096)
    table = {"bias": bias, "coupling": coupling[np.triu_indices(4, 1)]}
    drawn = carried(Accompaniment.from_table(CODES, table).draw([Condition()] * 4000, streams(4000)), CODES)
    kept = records[records.any(axis=1)]
    assert drawn.mean(axis=0) == pytest.approx(kept.mean(axis=0), abs=0.04)
    assert (drawn.T @ drawn.astype(float) / 4000) == pytest.approx(kept.T @ kept.astype(float) / len(kept), abs=0.04)


def test_rare_pairs_and_contradictions_do_not_come_through():
    codes = ("NORM", "LVH", "PVC", "PAC")
    records = np.zeros((1000, 4), dtype=bool)
    records[:400, 0] = True
    records[400:800, 1] = True
    records[:20, 2] = True
    records[20:50, 3] = True
    records[400:404, 3] = True
    few, _ = pair_shares(records, contradictions(codes))
    records[400:403, 3] = False  # one patient instead of four: 31 of 34 are left
    fewer, n = pair_shares(records, contradictions(codes))
    assert few[1, 3] == fewer[1, 3] == 2 / n
    assert few[0, 1] == 0
    assert few[2, 3] == pytest.approx(20 * 34 / 1000 / 1000)
    records[500, 0] = True  # normal and LVH
    assert pair_shares(records, contradictions(codes))[1] == 999


def test_a_table_of_few_records_can_be_written(monkeypatch):
    monkeypatch.setattr("ecgsdk.training.accompanying._ROUNDS", 2)
    for records in (np.zeros((0, 4), bool), np.ones((3, 4), bool), np.eye(4, dtype=bool)):
        table = accompanying(records, CODES)
        assert (len(table["bias"]), len(table["coupling"])) == (4, 6)
        assert np.isfinite([*table["bias"], *table["coupling"]]).all()
