"""The three networks: sizes, training, determinism, and what they leave as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgsdk_classifiers.bilstm import CnnBiLstm  # noqa: E402
from ecgsdk_classifiers.inception import InceptionTime  # noqa: E402
from ecgsdk_classifiers.network_classifier import NetworkClassifier  # noqa: E402
from ecgsdk_classifiers.resnet import ResNet  # noqa: E402
from ecgsdk_classifiers.training import epochs_for, train  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.torch

NETWORKS = (ResNet, InceptionTime, CnnBiLstm)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("make", NETWORKS)
def test_a_network_is_small_and_takes_any_length(make) -> None:
    network = make(8, 3).eval()
    assert sum(p.numel() for p in network.parameters()) < 1_000_000
    for samples in (200, 777, 1000):
        assert network(torch.zeros(2, 8, samples)).shape == (2, 3)


def test_small_sets_are_gone_through_more_often() -> None:
    epochs = [epochs_for(n) for n in (20, 100, 1000, 4000, 12_000, 100_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[2:5] == [30, 19, 13]
    assert epochs_for(20) >= 100


def test_another_seed_gives_another_network(drawn) -> None:
    signals, labels = drawn(24)
    told = []
    for seed in (0, 1):
        classifier = NetworkClassifier("resnet1d", ResNet, epochs=2)
        classifier.fit(signals, labels, seed=seed)
        told.append(classifier.predict_proba(signals))
    assert np.abs(told[0] - told[1]).max() > 1e-4


def test_training_leaves_pytorchs_state_as_it_was(drawn) -> None:
    signals, labels = drawn(24)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with torch.no_grad():
        NetworkClassifier("resnet1d", ResNet, epochs=1).fit(signals, labels, seed=0)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == 1


def test_the_global_random_state_does_not_matter(drawn) -> None:
    signals, labels = drawn(24)
    told = []
    for state in (1, 2):
        torch.manual_seed(state)
        np.random.seed(state)
        classifier = NetworkClassifier("cnn-bilstm", CnnBiLstm, epochs=1)
        classifier.fit(signals, labels, seed=0)
        told.append(classifier.predict_proba(signals))
    np.testing.assert_array_equal(*told)


def test_a_last_batch_of_a_few_records_is_no_batch_of_its_own() -> None:
    random = np.random.default_rng(0)
    seen: list[int] = []

    class Watching(ResNet):
        def forward(self, signals: torch.Tensor) -> torch.Tensor:
            seen.append(len(signals))
            return super().forward(signals)

    signals = random.normal(size=(70, 8, 200)).astype(np.float32)
    train(Watching(8, 1), signals, np.zeros((70, 1), dtype=bool), epochs=1, seed=0)
    assert seen == [70]
