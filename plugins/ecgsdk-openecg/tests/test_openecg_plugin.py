"""openecg in ecgsdk's validation suite: on real ECGs, on generated ones, and as ecgsdk's hooks see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import openecg
import pytest
from ecgsdk_openecg import plugin
from ecgsdk_openecg.classifier import LABELS, STATEMENTS, OpenECGClassifier
from ecgsdk_openecg.intervals import FIGURES
from ecgsdk_openecg.reader import RHYTHMS, Reader

import ecgsdk
from ecgsdk.batch import ECGBatch
from ecgsdk.classifiers import FixedClassifier
from ecgsdk.errors import PluginError
from ecgsdk.hookspecs import PROJECT
from ecgsdk.plugins import Plugins
from ecgsdk.testing import check_classifier, check_metric, check_plugin
from ecgsdk.validation.agreement.fixed import coverage, prepared, probabilities

PTBXL = Path(__file__).resolve().parents[3] / "tests" / "data" / "ptb-xl"
SINUS, AFIB = RHYTHMS.index("sinus"), RHYTHMS.index("afib")


@pytest.fixture(scope="module")
def classifier() -> OpenECGClassifier:
    return OpenECGClassifier()


@pytest.fixture(scope="module")
def real() -> ECGBatch:
    """Six records of PTB-XL, of which the fourth is in atrial fibrillation."""
    return next(ecgsdk.read_ecgs(PTBXL).batches())


@pytest.fixture(scope="module")
def generated() -> dict[str, ECGBatch]:
    """Eight synthetic ECGs each of a normal ECG and of atrial fibrillation."""
    generator = ecgsdk.load_generator()
    cohorts = {name: ecgsdk.Cohort.from_groups([name]) for name in ("norm", "afib")}
    return {name: next(generator.generate(cohort, 8, seed=3)) for name, cohort in cohorts.items()}


class TestReader:
    def test_says_what_openecgs_own_network_and_report_say(self, real: ECGBatch, classifier: OpenECGClassifier) -> None:
        from openecg.deploy import OnnxCodec

        own, reader = OnnxCodec(), Reader()
        for (trace,) in prepared(real.signals[:3], real.sampling_rate, classifier):
            reading = reader.read(trace)
            assert reading is not None
            assert reading.report == openecg.report(trace, 500, model=own)
            assert RHYTHMS[reading.rhythm.argmax()] == reading.report.rhythm["label"]

    def test_refuses_a_report_without_a_rhythm(
        self, real: ECGBatch, classifier: OpenECGClassifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ((trace,),) = prepared(real.signals[:1], real.sampling_rate, classifier)
        rules_only = openecg.report(trace, 500, model="rules")
        rules_only.flags.append("codec_error:KeyError")
        monkeypatch.setattr(openecg, "report", lambda *_, **__: rules_only)
        with pytest.raises(PluginError, match="openecg cannot read an ECG: .*codec_error:KeyError"):
            Reader().read(trace)


class TestClassifier:
    def test_is_a_fixed_classifier_whose_mapping_holds(self, classifier: OpenECGClassifier) -> None:
        assert isinstance(classifier, FixedClassifier)
        assert set(STATEMENTS) <= set(LABELS)
        assert coverage(classifier).unmapped == ("sinus", "ventricular", "bradycardia", "tachycardia")

    def test_agrees_with_the_statements_of_real_ecgs(self, real: ECGBatch, classifier: OpenECGClassifier) -> None:
        found = probabilities(classifier, [real])
        fibrillating = np.array(["AFIB" in condition.statements for condition in real.conditions])
        np.testing.assert_array_equal(found[:, AFIB] >= 0.5, fibrillating)
        np.testing.assert_allclose(found[:, : len(RHYTHMS)].sum(axis=1), 1)

    def test_finds_fibrillation_where_it_was_asked_for(
        self, generated: dict[str, ECGBatch], classifier: OpenECGClassifier
    ) -> None:
        found = {name: probabilities(classifier, [batch]) for name, batch in generated.items()}
        assert (found["afib"][:, AFIB] >= 0.5).sum() >= 6
        assert (found["norm"][:, SINUS] >= 0.5).sum() >= 7

    def test_calls_nothing_of_a_flat_line(self, classifier: OpenECGClassifier) -> None:
        assert not classifier.predict_proba(np.zeros((1, 1, 5000), dtype=np.float32)).any()

    def test_of_no_records_is_empty(self, classifier: OpenECGClassifier) -> None:
        assert classifier.predict_proba(np.empty((0, 1, 5000), dtype=np.float32)).shape == (0, len(LABELS))


class TestIntervals:
    def test_of_equal_sets_are_no_distance_apart(self, real: ECGBatch) -> None:
        assert set(plugin.intervals()(real, real).values()) == {0.0}

    def test_are_apart_by_a_change_of_rate(self, real: ECGBatch) -> None:
        half = real.signals.shape[-1] // 2
        slower = ECGBatch(real.signals[..., :half], 50.0, real.conditions, real.identifiers)
        found = plugin.intervals()(real, slower)
        assert set(found) == {*FIGURES, "heart_rate_bpm"}
        assert found["heart_rate_bpm"] > 20

    def test_leave_out_ecgs_without_a_beat(self, real: ECGBatch) -> None:
        flat = ECGBatch(np.zeros_like(real.signals), 100.0, real.conditions, real.identifiers)
        assert np.isnan(list(plugin.intervals()(real, flat).values())).all()


class TestHooks:
    def test_register_a_classifier_and_a_metric(self) -> None:
        check_plugin(plugin)
        registered = Plugins().add(plugin).registrations
        found = {(registration.kind, registration.name) for registration in registered}
        assert found == {("classifier", "openecg"), ("metric", "openecg-intervals")}

    def test_make_what_the_suite_expects(self, real: ECGBatch) -> None:
        check_classifier(plugin.classifier, kind="fixed", signals=real.signals[:4])
        check_metric(plugin.intervals, real=real, synthetic=real)

    def test_import_nothing_heavy(self) -> None:
        code = "import sys, ecgsdk_openecg.plugin; print({'openecg', 'onnxruntime', 'torch'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"

    def test_are_named_in_the_entry_points(self) -> None:
        setup = (Path(__file__).resolve().parents[1] / "setup.cfg").read_text()
        assert f"{PROJECT} =\n    openecg = {plugin.__name__}" in setup
