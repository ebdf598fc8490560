"""The shipped synthesiser: near its source at the least strength, farther with more, the same at any batch size."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

import ecgsdk
from ecgsdk.cards import SynthesiserCard
from ecgsdk.leads import to_eight, to_twelve
from ecgsdk.readers.source import fitted
from ecgsdk.validation.similarity import cosine, without_baseline
from ecgsdk_cli.main import main


@pytest.fixture(scope="module")
def synthesiser():
    return ecgsdk.load_synthesiser()


@pytest.fixture
def source(ptbxl_folder):
    return ecgsdk.read_ecgs(ptbxl_folder)


def made(synthesiser, source, **options):
    return np.concatenate([batch.signals for batch in synthesiser.resynthesize(source, **options)])


def likeness(source, signals):
    real = next(source.batches(len(source))).signals
    return cosine(*(without_baseline(x.astype(float), 100.0) for x in (real, signals)))


def test_the_result_is_near_its_source_at_the_least_strength(synthesiser, source):
    assert likeness(source, made(synthesiser, source, strength=0)).min() > 0.98


def test_more_strength_leads_farther_from_the_source(synthesiser, source):
    near, usual, far = (likeness(source, made(synthesiser, source, strength=s)).mean() for s in (0, 1, 5))
    assert near > usual > far > 0.6


def test_lead_equations_hold(synthesiser, source):
    signals = made(synthesiser, source)
    assert np.allclose(signals, to_twelve(to_eight(signals)), atol=1e-6)


def test_a_record_depends_on_seed_and_index_alone(synthesiser, source):
    whole = made(synthesiser, source, seed=3)
    assert np.abs(made(synthesiser, source, seed=3, batch_size=2) - whole).max() < 1e-4
    part = made(synthesiser, source.select([2, 3]), seed=3, start=2)
    assert np.abs(part - whole[2:4]).max() < 1e-4
    assert np.abs(made(synthesiser, source, seed=4) - whole).max() > 0.01


def test_conditions_come_through_and_names_do_not(synthesiser, source):
    batch = next(synthesiser.resynthesize(source, start=10))
    assert batch.conditions == source.conditions
    assert batch.identifiers == ("10", "11", "12", "13", "14", "15")
    assert batch.provenance == synthesiser.provenance(seed=0)
    assert (batch.provenance.strength, batch.provenance.steps) == (1.0, None)


def test_sources_of_another_rate_are_brought_to_the_models(synthesiser, ptbxl_folder):
    fine = ecgsdk.read_ecgs(ptbxl_folder, sampling_rate=500)
    batch = next(synthesiser.resynthesize(fine, strength=0))
    assert (batch.sampling_rate, batch.signals.shape[2]) == (100.0, 1000)
    assert likeness(fitted(fine, 100.0), batch.signals).min() > 0.99


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strength": -1}, "strength -1 must lie between 0.0 and"),
        ({"strength": 1e6}, "strength"),
        ({"strength": float("nan")}, "strength nan"),
        ({"seed": -1}, "seed -1"),
        ({"batch_size": 0}, "batch_size 0"),
    ],
)
def test_numbers_out_of_bounds_are_named_before_the_first_batch(synthesiser, source, options, said):
    with pytest.raises(ecgsdk.ConditionError, match=said):
        synthesiser.resynthesize(source, **options)


def test_sources_shorter_than_the_model_are_named(synthesiser, ptbxl_folder):
    short = ecgsdk.read_ecgs(ptbxl_folder, seconds=4)
    with pytest.raises(ecgsdk.DataError, match="4 s long, shorter than the 10 s"):
        synthesiser.resynthesize(short)


def test_each_kind_of_model_is_asked_for_by_its_own_name():
    card = ecgsdk.find_model("yoo2023", kind="synthesiser").card
    assert isinstance(card, SynthesiserCard)
    assert card.strength[0] == 0 < 1 < card.strength[1]
    assert 0 < card.noise_level < 1
    with pytest.raises(ecgsdk.ModelError, match="yoo2023 is a model of the kind synthesiser"):
        ecgsdk.load_generator("yoo2023")
    with pytest.raises(ecgsdk.ModelError, match="ptbxl-flow is a model of the kind generator"):
        ecgsdk.load_synthesiser("ptbxl-flow")


def run(*arguments):
    return CliRunner().invoke(main, ["resynthesize", *map(str, arguments)])


def test_the_command_makes_one_ecg_of_each(ptbxl_folder, source, tmp_path):
    result = run(ptbxl_folder, "-o", tmp_path / "out.h5", "--seed", 1, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["records"] == len(source)
    again = ecgsdk.read_ecgs(tmp_path / "out.h5")
    assert again.synthetic
    assert again.provenance.strength == 1.0
    assert [c.statements for c in again.conditions] == [c.statements for c in source.conditions]
    assert again.identifiers == ("0", "1", "2", "3", "4", "5")


def test_names_of_sources_are_kept_where_they_are_asked_for(ptbxl_folder, source, tmp_path):
    assert run(ptbxl_folder, "-o", tmp_path / "out.npz", "--name-sources", "--quiet").exit_code == 0
    assert ecgsdk.read_ecgs(tmp_path / "out.npz").identifiers == source.identifiers


def test_a_wfdb_folder_without_a_list_of_records_is_a_source(ptbxl_folder, tmp_path):
    result = run(ptbxl_folder / "records100", "-o", f"{tmp_path}/out/", "--strength", 2, "--seed", 5)
    assert result.exit_code == 0, result.output
    again = ecgsdk.read_ecgs(tmp_path / "out")
    assert (len(again), again.provenance.strength) == (6, 2.0)


def test_what_cannot_be_read_is_told_in_one_line(tmp_path):
    result = run(tmp_path / "nothing", "-o", tmp_path / "out.h5")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "does not exist" in result.stderr
    assert not list(tmp_path.iterdir())
