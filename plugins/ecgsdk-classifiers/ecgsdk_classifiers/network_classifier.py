"""NetworkClassifier: any of the networks here as a classifier that the validation suite can train."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ecgsdk.errors import TrainingError
from ecgsdk.leads import INDEPENDENT_LEADS, to_eight
from ecgsdk_classifiers.inputs import base_rates, checked_labels, checked_signals
from ecgsdk_classifiers.training import epochs_for, probabilities, train

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__all__ = ["NetworkClassifier"]


class NetworkClassifier:
    """A network on leads I, II, V1–V6; the other four leads follow from them.

    Args:
        name: for messages and progress.
        make: (leads, labels) → a fresh network with a `layers.Head` called `head`.
        epochs: how often to go through the records; None: as `epochs_for` says.
    """

    def __init__(self, name: str, make: Callable[[int, int], nn.Module], epochs: int | None = None) -> None:
        self.name = name
        self.make = make
        self.epochs = epochs
        self.network: nn.Module | None = None

    def fit(self, signals: np.ndarray, labels: np.ndarray, *, seed: int) -> None:
        """Learns from signals (n, 12, samples) in mV at 100 Hz and labels (n, labels); same seed, same network.

        PyTorch's global random state is left as it was.

        Raises:
            DataError: a value is not finite, or the records are too short.
        """
        signals = checked_signals(signals)
        labels = checked_labels(labels, len(signals))
        epochs = epochs_for(len(signals)) if self.epochs is None else self.epochs
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.make(len(INDEPENDENT_LEADS), labels.shape[1])
            _start_at(network, base_rates(labels))
            self.network = train(network, to_eight(signals), labels, epochs=epochs, seed=seed, name=self.name)

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record, float32, shape (n, labels).

        Raises:
            DataError: a value is not finite, or the records are too short.
            TrainingError: it has not learned yet.
        """
        if self.network is None:
            raise TrainingError(f"{self.name} has not learned yet; call fit first")
        return probabilities(self.network, to_eight(checked_signals(signals)))


def _start_at(network: nn.Module, rates: np.ndarray) -> None:
    """Sets the last bias so that the network starts by predicting how often each label is true."""
    with torch.no_grad():
        network.get_parameter("head.linear.bias").copy_(torch.from_numpy(np.log(rates / (1 - rates))))
