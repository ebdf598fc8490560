"""Model folders: the shipped one is whole, and damaged or foreign ones are named."""

from __future__ import annotations

import json
import shutil

import pytest

import ecgsdk
from ecgsdk.conditions import GROUPS, STATEMENTS, Condition
from ecgsdk.errors import ConditionError, ModelError
from ecgsdk.models import DEFAULT_MODEL, find_model, list_models


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(find_model().folder, tmp_path / "mine")


def test_the_shipped_model_is_listed_and_whole():
    assert DEFAULT_MODEL in [card.name for card in list_models()]
    model = find_model()
    for name in ("rhythm", "flow", "decoder"):
        assert len(model.graph(name)) > 10_000
    assert sum(path.stat().st_size for path in model.folder.iterdir()) < 20e6


def test_the_card_says_what_was_learned_from_what():
    card = find_model().card
    assert set(card.statements) <= set(STATEMENTS)
    assert {code for codes in GROUPS.values() for code in codes} <= set(card.statements)
    assert card.data["licence"] == "CC BY 4.0"
    assert card.data["folds"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert card.data["records"] > 17_000
    assert card.training["command"]


def test_histograms_hide_cells_under_five_records():
    histograms = find_model().card.histograms
    tables = [table for name, table in histograms.items() if name not in ("edges", "telling")]
    counts = [c for table in tables for values in table.values() for c in values]
    assert not [c for c in counts if 0 < c < 5]


def test_a_folder_is_a_model(copy):
    assert find_model(copy).card == find_model().card


def test_a_model_stays_what_it_is_when_more_of_it_is_measured(copy):
    before = find_model(copy).sha256
    card = json.loads((copy / "card.json").read_text())
    for name, changes in (("metrics", False), ("steps", True)):
        (copy / "card.json").write_text(json.dumps({**card, name: {"new": 1} if name == "metrics" else 7}))
        assert (find_model(copy).sha256 != before) is changes


def test_a_changed_graph_is_named_with_its_hash(copy):
    with (copy / "flow.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"flow\.onnx is damaged or foreign: its SHA-256 is \w{12}…, the card says"):
        find_model(copy).graph("flow")


def test_a_missing_graph_is_named(copy):
    (copy / "decoder.onnx").unlink()
    with pytest.raises(ModelError, match="decoder.onnx"):
        find_model(copy).graph("decoder")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"card_format": 1}', '{"card_format": 99}'])
def test_a_card_that_is_none(copy, content):
    (copy / "card.json").write_text(content)
    with pytest.raises(ModelError, match=r"card\.json"):
        find_model(copy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent_shape", [8]),
        ("statements", 5),
        ("graphs", {"flow": {}}),
        ("graphs", []),
        ("heart_rate", [35]),
        ("sampling_rates", []),
        ("histograms", {}),
        ("seconds", "10"),
        ("steps", 0),
        ("cut_from", [8]),
        ("cut_from", [8, 40]),
        ("latent_seconds", 9.0),
        ("high_quality_candidates", 0),
        ("high_quality_candidates", 2.5),
        ("high_quality_candidates", True),
        ("high_quality_candidates", 17),
    ],
)
def test_a_card_with_a_wrong_value(copy, name, value):
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {name: value}))
    with pytest.raises(ModelError, match=r"card\.json is no model card"):
        find_model(copy)


def test_a_card_that_promises_a_choice_without_a_judge(copy):
    card = json.loads((copy / "card.json").read_text())
    del card["graphs"]["judge"]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"card\.json is no model card"):
        find_model(copy)
    (copy / "card.json").write_text(json.dumps(card | {"high_quality_candidates": 1}))
    generator = ecgsdk.load_generator(copy)
    with pytest.raises(ModelError, match="has no judge to choose among candidates"):
        generator.generate(ecgsdk.Cohort.from_groups(["norm"]), 1, candidates=2)


def test_a_folder_here_does_not_hide_an_installed_model(copy, monkeypatch):
    (copy / "flow.onnx").unlink()
    copy.rename(copy.parent / DEFAULT_MODEL)
    monkeypatch.chdir(copy.parent)
    assert find_model(DEFAULT_MODEL).graph("flow")
    with pytest.raises(ModelError, match=r"flow\.onnx"):
        find_model(f"./{DEFAULT_MODEL}").graph("flow")


def test_unknown_models(tmp_path):
    with pytest.raises(ModelError, match="unknown model 'nope'.*ptbxl-flow"):
        find_model("nope")
    with pytest.raises(ModelError, match="has no card.json"):
        find_model(tmp_path)


def test_what_the_model_has_not_learned_is_refused():
    card = find_model().card
    with pytest.raises(ConditionError, match="heart rate 300 is outside"):
        card.check(Condition(("NORM",), 300.0))
    with pytest.raises(ConditionError, match="unknown statement 'STE_'"):
        card.check(Condition(("STE_",)))


def test_cards_are_json():
    card = find_model().card
    assert json.loads(json.dumps(card.as_dict()))["name"] == card.name
