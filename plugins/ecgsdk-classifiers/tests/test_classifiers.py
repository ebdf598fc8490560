"""All five classifiers: they learn, and keep what ecgsdk's validation suite asks for."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ecgsdk.classifiers import TrainableClassifier
from ecgsdk.errors import DataError, TrainingError
from ecgsdk.testing import check_classifier

if TYPE_CHECKING:
    from collections.abc import Iterator


def resnet1d() -> TrainableClassifier:
    return network("resnet", "ResNet", epochs=8)


def inceptiontime() -> TrainableClassifier:
    return network("inception", "InceptionTime", epochs=8)


def cnn_bilstm() -> TrainableClassifier:
    return network("bilstm", "CnnBiLstm", epochs=8)


def network(module: str, name: str, epochs: int) -> TrainableClassifier:
    pytest.importorskip("torch")
    from importlib import import_module

    from ecgsdk_classifiers.network_classifier import NetworkClassifier

    return NetworkClassifier(name, getattr(import_module(f"ecgsdk_classifiers.{module}"), name), epochs=epochs)


def minirocket() -> TrainableClassifier:
    pytest.importorskip("aeon")
    from ecgsdk_classifiers.minirocket import MiniRocketClassifier

    return MiniRocketClassifier(kernels=336)


def gradient_boosting() -> TrainableClassifier:
    pytest.importorskip("sklearn")
    from ecgsdk_classifiers.boosting import GradientBoosting

    return GradientBoosting(trees=30)


FACTORIES = [
    pytest.param(resnet1d, marks=pytest.mark.torch),
    pytest.param(inceptiontime, marks=pytest.mark.torch),
    pytest.param(cnn_bilstm, marks=pytest.mark.torch),
    minirocket,
    gradient_boosting,
]
Factory = "Callable[[], TrainableClassifier]"


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> Factory:
    return request.param


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small batches, so that a few records make many steps, and one thread, so that tests can run side by side."""
    try:
        import torch
        from ecgsdk_classifiers import training
    except ModuleNotFoundError:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(training, "BATCH", 16)
    yield
    torch.set_num_threads(threads)


def test_it_learns_broad_from_narrow_beats(factory, drawn) -> None:
    classifier = factory()
    classifier.fit(*drawn(80, seconds=5), seed=0)
    signals, labels = drawn(40, seed=1, seconds=5)
    right = (classifier.predict_proba(signals) > 0.5) == labels
    assert right[:, 0].mean() > 0.9


def test_it_meets_the_protocol(factory, drawn) -> None:
    assert isinstance(factory(), TrainableClassifier)
    signals, labels = drawn(12, seconds=5)
    check_classifier(factory, kind="trainable", signals=signals, labels=labels, tolerance=1e-5, pickled=True)


def test_a_label_that_all_or_no_records_have_stays_near_its_base_rate(factory, drawn) -> None:
    signals, labels = drawn(20, seconds=5)
    labels = np.stack([labels[:, 0], np.zeros(20, dtype=bool), np.ones(20, dtype=bool)], axis=1)
    classifier = factory()
    classifier.fit(signals, labels, seed=0)
    told = classifier.predict_proba(signals)
    assert told[:, 1].mean() < 0.1
    assert told[:, 2].mean() > 0.9


def test_a_value_that_is_not_finite_is_named(factory, drawn) -> None:
    signals, labels = drawn(6, seconds=5)
    classifier = factory()
    classifier.fit(signals, labels, seed=0)
    signals[4, 3, 100] = np.nan
    with pytest.raises(DataError, match="record 4"):
        classifier.fit(signals, labels, seed=0)
    with pytest.raises(DataError, match="record 4"):
        classifier.predict_proba(signals)


def test_too_short_records_are_refused(factory, drawn) -> None:
    signals, labels = drawn(6, seconds=5)
    with pytest.raises(DataError, match="too short"):
        factory().fit(signals[:, :, :150], labels, seed=0)


def test_predicting_before_learning_is_refused(factory, drawn) -> None:
    with pytest.raises(TrainingError, match="call fit first"):
        factory().predict_proba(drawn(2)[0])


def test_pickled_untrained_it_can_still_learn(factory, drawn) -> None:
    classifier = pickle.loads(pickle.dumps(factory()))
    signals, labels = drawn(8, seconds=5)
    classifier.fit(signals, labels[:, :1], seed=0)
    assert classifier.predict_proba(signals[:3]).shape == (3, 1)


def test_minirocket_wants_records_as_long_as_those_it_learned_from(drawn) -> None:
    signals, labels = drawn(8, seconds=5)
    classifier = minirocket()
    classifier.fit(signals, labels, seed=0)
    with pytest.raises(DataError, match="500"):
        classifier.predict_proba(signals[:, :, :400])


def test_minirocket_leaves_numpys_random_state_as_it_was(drawn) -> None:
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    minirocket().fit(*drawn(8, seconds=5), seed=0)
    assert np.random.rand() == expected


def test_trees_learn_where_hardly_anything_can_be_measured(drawn) -> None:
    signals, labels = drawn(8, seconds=5)
    classifier = gradient_boosting()
    classifier.fit(np.zeros_like(signals), labels, seed=0)
    assert np.isfinite(classifier.predict_proba(signals)).all()
