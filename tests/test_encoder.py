"""The validation encoder: the shipped one is whole and gives each record features of its own, whatever its company."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ecgsdk.conditions import STATEMENTS
from ecgsdk.errors import ModelError
from ecgsdk.leads import INDEPENDENT_LEADS, to_eight
from ecgsdk.models import DEFAULT_ENCODER, DEFAULT_MODEL, find_model, list_models
from ecgsdk.validation.fidelity.encoder import load_encoder


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(threads=2)


@pytest.fixture
def eight(real_batch):
    return to_eight(real_batch.signals)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(find_model(kind="encoder").folder, tmp_path / "mine")


def test_features_are_finite_numbers_for_each_record(encoder, eight):
    features = encoder.features(eight)
    assert features.shape == (len(eight), encoder.card.features)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert 0.2 < features.std() < 3


def test_features_do_not_depend_on_the_batch_or_the_threads(encoder, eight):
    many = np.concatenate([eight] * 7)
    expected = np.concatenate([load_encoder(threads=1).features(record[None]) for record in eight])
    assert np.array_equal(encoder.features(many), np.concatenate([expected] * 7))
    assert np.array_equal(encoder.features(many[3:22]), np.concatenate([expected] * 7)[3:22])


def test_features_do_not_depend_on_the_layout_of_the_array(encoder, eight):
    wide = np.asfortranarray(eight.astype(np.float64))
    assert np.array_equal(encoder.features(wide), encoder.features(eight))


def test_an_encoder_serves_several_threads(encoder, eight):
    expected = encoder.features(eight)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(encoder.features, [np.concatenate([eight] * 4)] * 8):
            assert np.array_equal(found[: len(eight)], expected)


def test_records_may_have_any_length(encoder, eight):
    assert encoder.features(eight[..., :437]).shape == (len(eight), encoder.card.features)
    whole, part = encoder.features(eight), encoder.features(eight[..., :800])
    between = np.square(whole[:, None] - whole).sum(axis=-1) + 1e9 * np.eye(len(eight))
    assert (np.square(whole - part).sum(axis=-1) < between.min(axis=1)).all()


def test_no_records_give_no_features(encoder):
    assert encoder.features(np.empty((0, 8, 1000), np.float32)).shape == (0, encoder.card.features)


@pytest.mark.parametrize("shape", [(8, 1000), (2, 12, 1000), (2, 8, 99)])
def test_signals_of_another_shape_are_refused(encoder, shape):
    with pytest.raises(ValueError, match=r"\(n, 8, samples\)"):
        encoder.features(np.zeros(shape, np.float32))


def test_what_changes_an_ecg_changes_its_features(encoder, eight):
    plain = encoder.features(eight)
    others = [encoder.features(np.roll(eight, 1, axis=1)), encoder.features(0.5 * eight), encoder.features(-eight)]
    assert all(np.square(plain - other).sum(axis=1).min() > 5 for other in others)


def test_the_card_says_what_was_learned_from_what(encoder):
    card = encoder.card
    assert card.kind == "encoder"
    assert card.leads == INDEPENDENT_LEADS
    assert (card.units, card.sampling_rate) == ("mV", 100.0)
    assert set(card.statements) <= set(STATEMENTS)
    assert card.data["folds"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert card.data["licence"] == "CC BY 4.0"
    assert "Wagner" in card.data["credit"]
    assert card.training["command"].startswith("python -m ecgsdk.training")
    assert card.metrics["fold_9"]["macro_auroc"] > 0.88
    assert encoder.sha256 == card.graphs["encoder"]["sha256"]
    assert (encoder.model.folder / "encoder.onnx").stat().st_size < 5e6


def test_records_trained_on_do_not_stand_apart(encoder):
    beside = encoder.card.metrics["fold_7_seen_beside_fold_8_unseen"]
    assert abs(beside["auroc_by_nearest_neighbour"] - 0.5) < 0.02
    assert abs(beside["two_sample_auc"] - 0.5) < 0.04
    assert beside["frechet_distance"] < 1.3 * beside["frechet_distance_within_fold_8"]


def test_encoders_are_listed_with_the_generators():
    cards = {card.name: card for card in list_models()}
    assert {DEFAULT_ENCODER, DEFAULT_MODEL} <= set(cards)
    assert json.loads(json.dumps(cards[DEFAULT_ENCODER].as_dict()))["kind"] == "encoder"


def test_a_model_of_the_other_kind_is_named():
    with pytest.raises(
        ModelError, match="ptbxl-encoder is a model of the kind encoder; name one of the kind generator"
    ):
        find_model(DEFAULT_ENCODER)
    with pytest.raises(ModelError, match="ptbxl-flow is a model of the kind generator"):
        load_encoder(DEFAULT_MODEL)
    assert find_model(DEFAULT_ENCODER, kind=None).card.name == DEFAULT_ENCODER


def test_a_folder_is_an_encoder(copy, eight, encoder):
    assert np.array_equal(load_encoder(copy).features(eight), encoder.features(eight))


def test_a_changed_graph_is_named_with_its_hash(copy):
    with (copy / "encoder.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"encoder\.onnx is damaged or foreign"):
        load_encoder(copy)


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "decoder"), ("leads", ["I"]), ("units", "uV"), ("features", 0), ("graphs", {}), ("surplus", 1)],
)
def test_a_card_with_a_wrong_value(copy, name, value):
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {name: value}))
    with pytest.raises(ModelError, match=r"card\.json is no model card"):
        load_encoder(copy)


class TestTraining:
    pytestmark = pytest.mark.torch

    def test_from_records_to_a_folder_that_gives_features(self, tmp_path, ptbxl_folder, eight):
        pytest.importorskip("torch").set_num_threads(1)
        from ecgsdk.training.encoder import EncoderSettings
        from ecgsdk.training.encoder_export import export_encoder

        settings = EncoderSettings(epochs=1, batch=2, window=300, fewest=1)
        folder = _with_repeated_records(ptbxl_folder, tmp_path)
        card = export_encoder(
            folder, tmp_path / "run", tmp_path / "tiny", settings, command="python -m ecgsdk.training"
        )
        assert card.name == "tiny"
        assert card.data["records"] == 18
        assert card.metrics["fold_9"]["records"] == 6
        features = load_encoder(tmp_path / "tiny").features(eight)
        assert features.shape == (6, card.features)
        again = export_encoder(folder, tmp_path / "run", tmp_path / "twin", settings)
        assert again.graphs == card.graphs


def _with_repeated_records(ptbxl: Path, target: Path) -> Path:
    """A copy of the shipped records, each listed four times: in folds 6 to 9."""
    folder = shutil.copytree(ptbxl, target / "ptb-xl")
    path = folder / "ptbxl_database.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    repeated = [
        {**row, "ecg_id": f"{100 * fold + number}", "strat_fold": str(fold)}
        for fold in (6, 7, 8, 9)
        for number, row in enumerate(rows)
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(repeated)
    return folder


def test_the_command_without_pytorch_ends_in_one_line():
    code = (
        "import runpy, sys\n"
        "sys.modules['torch'] = None\n"
        "runpy.run_module('ecgsdk.training.encoder_export', run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = 'error: torch is not installed; run `pip install "ecgsdk[train]"`\n'
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)
