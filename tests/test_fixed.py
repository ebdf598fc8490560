"""What a classifier is given, what it may give back, and what of its labels can be compared."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import STATEMENTS, Condition
from ecgsdk.errors import DataError, EcgsdkError, PluginError
from ecgsdk.leads import LEADS
from ecgsdk.resampling import resample
from ecgsdk.validation.agreement.fixed import (
    InputFormat,
    check_probabilities,
    coverage,
    input_format,
    most_records,
    prepared,
    probabilities,
    thresholds,
)

SIGNALS = np.random.default_rng(0).normal(size=(5, 12, 1000)).astype(np.float32)


class Device:
    """A finished model whose probability is 1 where the mean of its first lead is positive."""

    def __init__(self, **attributes: object) -> None:
        self.labels: tuple[str, ...] = ("positive", "negative")
        self.statements: dict[str, tuple[str, ...]] = {"positive": ("AFIB", "AFLT")}
        self.sampling_rate = 100.0
        self.leads: tuple[str, ...] = ("II",)
        self.units = "mV"
        self.given: list[np.ndarray] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        self.given.append(signals)
        positive = signals[:, 0].mean(axis=-1) > 0
        return np.stack([positive, ~positive], axis=1)


def batch(signals: np.ndarray = SIGNALS, rate: float = 100.0) -> ECGBatch:
    names = tuple(map(str, range(len(signals))))
    return ECGBatch(signals, rate, (Condition(),) * len(signals), names)


class TestInput:
    def test_without_attributes_is_what_the_protocol_says(self) -> None:
        assert input_format(object()) == InputFormat(100.0, LEADS, "mV", None)  # type: ignore[arg-type]

    def test_leads_are_picked_in_the_order_wanted(self) -> None:
        given = prepared(SIGNALS, 100, Device(leads=("V6", "aVR")))
        np.testing.assert_array_equal(given, SIGNALS[:, [LEADS.index("V6"), LEADS.index("aVR")]])

    def test_lead_names_are_understood_as_readers_do(self) -> None:
        assert input_format(Device(leads=("Lead II", "AVL"))).leads == ("II", "aVL")

    def test_microvolts_are_a_thousand_times_as_many(self) -> None:
        np.testing.assert_allclose(prepared(SIGNALS, 100, Device(units="uV"))[:, 0], SIGNALS[:, 1] * 1000, rtol=1e-6)

    def test_rate_is_changed_band_limited(self) -> None:
        given = prepared(SIGNALS, 100, Device(sampling_rate=500))
        np.testing.assert_array_equal(given, resample(SIGNALS[:, [1]], 100, 500))

    def test_longer_records_are_cut_at_the_wanted_rate(self) -> None:
        wave = np.sin(2 * np.pi * 3 * np.arange(1000) / 100 + np.arange(12)[:, None]).astype(np.float32)[None]
        given = prepared(wave, 100, Device(sampling_rate=250, seconds=4))
        assert given.shape == (1, 1, 1000)
        np.testing.assert_allclose(given[0, 0], np.sin(2 * np.pi * 3 * np.arange(1000) / 250 + 1), atol=0.02)

    def test_is_contiguous_single_precision(self) -> None:
        given = prepared(SIGNALS.astype(np.float64), 100, Device(leads=("II", "I")))
        assert given.dtype == np.float32
        assert given.flags.c_contiguous

    def test_shorter_records_are_refused(self) -> None:
        with pytest.raises(PluginError, match="Device cannot be given these ECGs: each record is 10 s long"):
            prepared(SIGNALS, 100, Device(seconds=30))

    @pytest.mark.parametrize(
        ("attributes", "said"),
        [
            ({"sampling_rate": 0}, "sampling_rate is 0; give a positive number"),
            ({"sampling_rate": "500"}, "sampling_rate is '500'"),
            ({"seconds": float("nan")}, "seconds is nan"),
            ({"units": "V"}, "units 'V' are unknown; use mV or uV"),
            ({"leads": ("II", "V7")}, "lead 'V7' is not one of the 12"),
            ({"leads": ("II", "ii")}, "leads must be names, each once"),
            ({"leads": ()}, "leads must be names, each once"),
            ({"leads": "II"}, "leads must be a list of names"),
        ],
    )
    def test_that_no_ecg_can_be_is_refused_by_the_classifiers_name(self, attributes: dict, said: str) -> None:
        with pytest.raises(PluginError, match=f"Scribe: .*{said}"):
            input_format(Device(name="Scribe", **attributes))


class TestProbabilities:
    def test_are_those_of_each_record_in_order(self) -> None:
        device = Device()
        found = probabilities(device, [batch(SIGNALS[:2]), batch(SIGNALS[2:])])
        positive = SIGNALS[:, 1].mean(axis=-1) > 0
        np.testing.assert_array_equal(found, np.stack([positive, ~positive], axis=1))
        assert [len(given) for given in device.given] == [2, 3]

    def test_of_a_source_are_asked_for_batch_by_batch(self, ptbxl_folder) -> None:
        from ecgsdk.readers import read_ecgs

        assert probabilities(Device(), read_ecgs(ptbxl_folder)).shape == (6, 2)

    def test_of_no_records_are_an_empty_row_of_labels(self) -> None:
        assert probabilities(Device(), []).shape == (0, 2)

    def test_a_classifiers_own_failure_is_one_line_with_its_name(self) -> None:
        def fail(signals: np.ndarray) -> np.ndarray:
            raise KeyError("weights\nmissing")

        with pytest.raises(PluginError, match=r"^Device: predict_proba failed with KeyError: 'weights\\nmissing'$"):
            probabilities(Device(predict_proba=fail), [batch()])

    def test_what_a_classifier_raises_on_purpose_is_passed_on(self) -> None:
        def fail(signals: np.ndarray) -> np.ndarray:
            raise DataError("licence expired")

        with pytest.raises(DataError, match="^licence expired$"):
            probabilities(Device(predict_proba=fail), [batch()])

    @pytest.mark.parametrize(
        ("output", "said"),
        [
            (np.zeros((3, 2)), r"gave shape \(3, 2\), not \(records, labels\) \(5, 2\)"),
            (np.zeros(5), r"gave shape \(5,\)"),
            (np.full((5, 2), np.nan), "not finite"),
            (np.full((5, 2), 1.5), "1.5 to 1.5, outside of 0 to 1"),
            (np.full((5, 2), -0.1), "-0.1 to -0.1, outside"),
            ([["a", "b"]] * 5, "gave list, not an array of numbers"),
            (None, "gave shape"),
        ],
    )
    def test_that_are_none_are_refused(self, output: object, said: str) -> None:
        with pytest.raises(PluginError, match=f"Device: predict_proba .*{said}"):
            check_probabilities(output, 5, 2, "Device")


class TestThresholds:
    def test_are_one_half_where_nothing_is_said(self) -> None:
        np.testing.assert_array_equal(thresholds(Device(thresholds={"negative": 0.2})), [0.5, 0.2])

    @pytest.mark.parametrize(
        ("given", "said"),
        [({"other": 0.5}, "thresholds for label 'other'"), ({"positive": 1.1}, "threshold 1.1 of label 'positive'")],
    )
    def test_that_cannot_be_are_refused(self, given: dict, said: str) -> None:
        with pytest.raises(PluginError, match=said):
            thresholds(Device(thresholds=given))


class TestMostRecords:
    def test_is_all_unless_the_classifier_says_less(self) -> None:
        assert most_records(Device(), 7_000) == 7_000
        assert most_records(Device(most_records=1_000), 7_000) == 1_000
        assert most_records(Device(most_records=1_000), 70) == 70

    def test_that_is_no_number_is_refused(self) -> None:
        with pytest.raises(PluginError, match="most_records is 0"):
            most_records(Device(most_records=0), 10)


class TestCoverage:
    def test_names_what_cannot_be_compared(self) -> None:
        device = Device(statements={"positive": ("AFIB", "PSVT")})
        found = coverage(device)
        assert found.unmapped == ("negative",)
        assert found.foreign == ("PSVT",)
        assert set(found.uncovered) == set(STATEMENTS) - {"AFIB"}
        assert found.notes("Scribe")[:2] == (
            "Scribe, labels without a mapping, whose calls are only counted: negative.",
            "Scribe, mapped statements that synthetic ECGs cannot be asked for: PSVT.",
        )

    def test_a_label_mapped_to_nothing_is_unmapped(self) -> None:
        assert coverage(Device(statements={"positive": ()})).unmapped == ("positive", "negative")

    def test_has_nothing_to_say_where_all_is_covered(self) -> None:
        device = Device(labels=("all",), statements={"all": tuple(STATEMENTS)})
        assert coverage(device).notes("Scribe") == ()

    @pytest.mark.parametrize(
        ("attributes", "said"),
        [
            ({"statements": {"other": ("AFIB",)}}, "statements for label 'other', which is not one of its labels"),
            ({"statements": {"positive": "AFIB"}}, "statements must be lists of codes"),
            ({"labels": ("a", "a")}, "labels must be names, each once"),
            ({"labels": "ab"}, "labels must be names"),
            ({"labels": ()}, "labels must be names"),
        ],
    )
    def test_of_a_mapping_that_cannot_be_is_refused(self, attributes: dict, said: str) -> None:
        with pytest.raises(EcgsdkError, match=said):
            coverage(Device(**attributes))
