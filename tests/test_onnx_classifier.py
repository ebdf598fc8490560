"""Diagnostic models that are ONNX files: what their JSON file may say, and what they then give."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgsdk.classifiers import FixedClassifier
from ecgsdk.errors import ModelError
from ecgsdk.readers import read_ecgs
from ecgsdk.validation.agreement.fixed import coverage, prepared, probabilities, thresholds
from ecgsdk.validation.agreement.onnx_classifier import load_onnx_classifier
from ecgsdk.validation.agreement.onnx_description import OnnxDescription

onnx = pytest.importorskip("onnx")

DESCRIPTION = {
    "labels": ["lead I", "lead II"],
    "sampling_rate": 100,
    "leads": ["I", "II"],
    "units": "mV",
    "output": "logits",
}
SIGNALS = np.random.default_rng(0).normal(size=(7, 2, 50)).astype(np.float32)
MEANS = SIGNALS.mean(axis=2)


def graph(
    *,
    axis: int = 2,
    shape: tuple[int | str, ...] = ("records", 2, "samples"),
    out_shape: tuple[int | str, ...] = ("records", 2),
    inputs: int = 1,
    outputs: int = 1,
    dtype: int = onnx.TensorProto.FLOAT,
) -> bytes:
    """A model that gives the mean over time of each lead."""
    helper = onnx.helper
    into = [helper.make_tensor_value_info(f"ecg{k}", dtype, shape) for k in range(inputs)]
    out = [helper.make_tensor_value_info(f"mean{k}", dtype, out_shape) for k in range(outputs)]
    nodes = [
        helper.make_node("ReduceMean", [f"ecg{min(k, inputs - 1)}"], [f"mean{k}"], axes=[axis], keepdims=0)
        for k in range(outputs)
    ]
    made = helper.make_model(helper.make_graph(nodes, "means", into, out), opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made.SerializeToString()


def write(folder: Path, content: bytes | None = None, **described: Any) -> Path:
    """A model file and its JSON file; a value of None leaves a key out."""
    path = folder / "device.onnx"
    path.write_bytes(graph() if content is None else content)
    values = {key: value for key, value in {**DESCRIPTION, **described}.items() if value is not None}
    path.with_suffix(".json").write_text(json.dumps(values))
    return path


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))


class TestOutput:
    def test_of_logits_goes_through_a_sigmoid(self, tmp_path: Path) -> None:
        found = load_onnx_classifier(write(tmp_path)).predict_proba(SIGNALS)
        np.testing.assert_allclose(found, sigmoid(MEANS), atol=1e-7)

    def test_of_softmax_logits_sums_to_one(self, tmp_path: Path) -> None:
        found = load_onnx_classifier(write(tmp_path, output="softmax logits")).predict_proba(1e4 * SIGNALS)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        np.testing.assert_array_equal(found.argmax(axis=1), MEANS.argmax(axis=1))

    def test_of_probabilities_is_left_as_it_is(self, tmp_path: Path) -> None:
        found = load_onnx_classifier(write(tmp_path, output=None)).predict_proba(SIGNALS)
        np.testing.assert_allclose(found, MEANS, atol=1e-7)

    def test_of_a_graph_with_several_is_the_one_named(self, tmp_path: Path) -> None:
        path = write(tmp_path, graph(outputs=2), output_name="mean1")
        assert load_onnx_classifier(path).predict_proba(SIGNALS).shape == (7, 2)

    def test_of_no_records_is_empty(self, tmp_path: Path) -> None:
        assert load_onnx_classifier(write(tmp_path)).predict_proba(SIGNALS[:0]).shape == (0, 2)

    def test_of_a_size_that_only_the_run_shows_is_checked(self, tmp_path: Path) -> None:
        path = write(
            tmp_path, graph(shape=("records", "leads", "samples"), out_shape=("records", "labels")), labels=["a"]
        )
        with pytest.raises(ModelError, match=r"output 'mean0' has shape \(7, 2\) for 7 records and 1 labels"):
            load_onnx_classifier(path).predict_proba(SIGNALS)


class TestInput:
    @pytest.mark.parametrize("dtype", [onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16])
    def test_of_other_precisions_is_given_in_theirs(self, tmp_path: Path, dtype: int) -> None:
        found = load_onnx_classifier(write(tmp_path, graph(dtype=dtype))).predict_proba(SIGNALS)
        np.testing.assert_allclose(found, sigmoid(MEANS), atol=1e-3)

    def test_with_samples_first_is_transposed(self, tmp_path: Path) -> None:
        path = write(tmp_path, graph(axis=1, shape=("records", 50, 2)), layout="samples-first")
        classifier = load_onnx_classifier(path)
        assert classifier.seconds == 0.5
        np.testing.assert_allclose(classifier.predict_proba(SIGNALS), sigmoid(MEANS), atol=1e-6)

    def test_is_standardised_lead_by_lead(self, tmp_path: Path) -> None:
        found = load_onnx_classifier(write(tmp_path, mean=[1, 2], std=0.5)).predict_proba(SIGNALS)
        np.testing.assert_allclose(found, sigmoid((MEANS - [1, 2]) / 0.5), atol=1e-6)

    @pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
    def test_of_a_fixed_number_of_records_is_filled_up(self, tmp_path: Path, batch_size: int) -> None:
        path = write(tmp_path, graph(shape=(batch_size, 2, "samples"), out_shape=(batch_size, 2)))
        np.testing.assert_allclose(load_onnx_classifier(path).predict_proba(SIGNALS), sigmoid(MEANS), atol=1e-6)

    def test_has_the_length_of_the_graph_or_of_the_description(self, tmp_path: Path) -> None:
        assert load_onnx_classifier(write(tmp_path)).seconds is None
        assert load_onnx_classifier(write(tmp_path, seconds=5)).seconds == 5
        assert load_onnx_classifier(write(tmp_path, graph(shape=(1, 2, 450)))).seconds == 4.5


def test_is_a_fixed_classifier_that_reads_real_ecgs(tmp_path: Path, ptbxl_folder: Path) -> None:
    path = write(
        tmp_path, leads=["V2", "ii"], units="uV", seconds=5, statements={"lead I": ["AFIB"]},
        thresholds={"lead II": 0.25}, most_records=100, description="the mean of two leads",
    )  # fmt: skip
    classifier = load_onnx_classifier(path)
    assert isinstance(classifier, FixedClassifier)
    assert classifier.leads == ("V2", "II")
    assert coverage(classifier).unmapped == ("lead II",)
    np.testing.assert_array_equal(thresholds(classifier), [0.5, 0.25])
    source = read_ecgs(ptbxl_folder)
    given = prepared(source.read(range(6)), 100, classifier)
    assert given.shape == (6, 2, 500)
    np.testing.assert_allclose(probabilities(classifier, source), sigmoid(given.mean(axis=2)), atol=1e-6)


class TestDescription:
    @pytest.mark.parametrize(
        ("described", "said"),
        [
            ({"labels": None}, "labels is missing"),
            ({"sampling_rate": None}, "sampling_rate is missing"),
            ({"units": None}, "units is missing"),
            ({"sample_rate": 100}, "unknown key 'sample_rate'; did you mean sampling_rate"),
            ({"labels": "AFIB"}, "labels must be a list of names, not 'AFIB'"),
            ({"labels": ["a", "a"]}, "labels has the same name twice"),
            ({"leads": ["II", "V7"]}, "lead 'V7' is not one of the 12 standard leads"),
            ({"leads": ["II", "ii"]}, "leads has the same name twice"),
            ({"sampling_rate": "100"}, "sampling_rate must be a positive number, not '100'"),
            ({"sampling_rate": True}, "sampling_rate must be a positive number, not True"),
            ({"units": "V"}, "units must be 'mV' or 'uV', not 'V'"),
            ({"layout": "time-first"}, "layout must be 'leads-first' or 'samples-first'"),
            ({"output": "sigmoid"}, "output must be 'probabilities' or 'logits' or 'softmax logits'"),
            ({"statements": {"lead 1": ["AFIB"]}}, "unknown label 'lead 1'; did you mean lead I"),
            ({"statements": {"lead I": "AFIB"}}, "statements of 'lead I' must be a list of names"),
            (
                {"statements": {"lead I": ["AFIBB"]}},
                "statements of 'lead I': unknown statement 'AFIBB'; did you mean AFIB.* .null for a label",
            ),
            (
                {"statements": {"lead I": ["a-fib"]}},
                "statements of 'lead I': unknown statement 'a-fib'; did you mean AFIB",
            ),
            ({"statements": {"lead I": []}}, "statements of 'lead I' must be a list of names"),
            ({"statements": ["AFIB"]}, "statements must be an object with labels as keys"),
            ({"thresholds": {"lead I": 50}}, "thresholds of 'lead I' must be within 0 to 1, not 50"),
            ({"thresholds": {"II": 0.5}}, "unknown label 'II'"),
            ({"mean": [1, 2, 3]}, "mean has 3 numbers for 2 leads; give one or one for each"),
            ({"mean": "0"}, "mean must be a number or a list of numbers, not '0'"),
            ({"std": 0}, "std is 0; give positive numbers"),
            ({"batch_size": 1.5}, "batch_size must be a whole number, not 1.5"),
            ({"seconds": -1}, "seconds must be a positive number, not -1"),
            ({"input_name": 3}, "input_name must be text, not 3"),
        ],
    )
    def test_that_cannot_be_is_refused_by_the_files_name(self, tmp_path: Path, described: dict, said: str) -> None:
        path = write(tmp_path, **described)
        with pytest.raises(ModelError, match=f"device.json: {said}"):
            load_onnx_classifier(path)

    def test_says_by_null_that_a_label_maps_to_nothing(self, tmp_path: Path) -> None:
        path = write(tmp_path, statements={"lead I": ["AFIB", "ASMI"], "lead II": None})
        classifier = load_onnx_classifier(path)
        assert classifier.statements == {"lead I": ("AFIB", "ASMI"), "lead II": ()}
        assert coverage(classifier).unmapped == ("lead II",)

    def test_that_is_missing_is_asked_for(self, tmp_path: Path) -> None:
        path = write(tmp_path)
        path.with_suffix(".json").unlink()
        with pytest.raises(ModelError, match="cannot read .*device.json: No such file .*labels, sampling_rate"):
            load_onnx_classifier(path)

    @pytest.mark.parametrize(("text", "said"), [("{", "is not JSON"), ("[]", "must be an object")])
    def test_that_is_no_object_is_refused(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "device.json"
        path.write_text(text)
        with pytest.raises(ModelError, match=said):
            OnnxDescription.from_json(path)

    def test_documents_every_key(self) -> None:
        from ecgsdk.validation.agreement import onnx_description

        for key in OnnxDescription.__dataclass_fields__:
            assert key in (onnx_description.__doc__ or "")
            assert key in onnx_description._READERS


class TestGraph:
    @pytest.mark.parametrize(
        ("content", "described", "said"),
        [
            ({"inputs": 2, "outputs": 2}, {}, r"has 2 inputs \(ecg0, ecg1\); only graphs with one"),
            ({"outputs": 2}, {}, r"has 2 outputs \(mean0, mean1\); name one in output_name"),
            ({}, {"input_name": "egc0"}, "unknown input_name 'egc0'; did you mean ecg0"),
            ({}, {"output_name": "men0"}, "unknown output_name 'men0'; did you mean mean0"),
            (
                {"shape": ("n", 2), "axis": 1, "out_shape": ("n",)},
                {},
                "input 'ecg0' has 2 axes; it needs records, leads",
            ),
            ({"dtype": onnx.TensorProto.INT32}, {}, r"input 'ecg0' is tensor\(int32\); only tensor\(float\)"),
            ({"shape": (1, 12, "n"), "out_shape": (1, "m")}, {}, "the graph has 12 for leads, its JSON file 2"),
            ({"shape": (1, 50, 2), "axis": 1}, {}, "the graph has 50 for leads, its JSON file 2"),
            ({}, {"labels": ["a"]}, "the graph has 2 for labels, its JSON file 1"),
            ({"shape": (1, 2, 50)}, {"seconds": 5}, "the graph has 50 for seconds · sampling_rate, its JSON file 500"),
            (
                {"shape": (4, 2, "n")},
                {"batch_size": 1},
                "the graph has 4 for batch_size, its JSON file 1; mend the latter",
            ),
            ({"shape": ("n", 2, 5, 5), "axis": 3}, {}, "input 'ecg0' has 4 axes"),
        ],
    )
    def test_that_does_not_go_with_its_description_is_refused(
        self, tmp_path: Path, content: dict, described: dict, said: str
    ) -> None:
        path = write(tmp_path, graph(**content), **described)
        with pytest.raises(ModelError, match=f"device.onnx.*{said}"):
            load_onnx_classifier(path)

    def test_that_fails_on_a_record_is_named(self, tmp_path: Path) -> None:
        classifier = load_onnx_classifier(write(tmp_path))
        with pytest.raises(ModelError, match="device.onnx: the graph fails: "):
            classifier.predict_proba(SIGNALS[:, :1].repeat(3, axis=1))

    def test_that_is_missing_or_damaged_is_named(self, tmp_path: Path) -> None:
        path = write(tmp_path, b"no graph")
        with pytest.raises(ModelError, match="device.onnx: ONNX Runtime cannot load"):
            load_onnx_classifier(path)
        path.unlink()
        with pytest.raises(ModelError, match="cannot read .*device.onnx"):
            load_onnx_classifier(path)

    def test_that_is_missing_is_named_before_its_description(self, tmp_path: Path) -> None:
        said = "cannot read .*missing.onnx: No such file or directory; name an ONNX file .* missing.json, beside it"
        with pytest.raises(ModelError, match=said):
            load_onnx_classifier(tmp_path / "missing.onnx")


def test_the_description_in_the_docs_can_be_read_and_names_every_key():
    text = (Path(__file__).resolve().parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
    section = text[text.index("<!-- onnx description -->") :]
    example = json.loads(section[section.index("{") : section.index("```\n\n")])
    keys = {field.name for field in fields(OnnxDescription)}
    assert set(example) <= keys
    table = [row for row in section.splitlines() if row.startswith("| `")]
    assert {name for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])} == keys
