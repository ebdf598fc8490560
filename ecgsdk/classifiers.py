"""What the validation suite asks of a diagnostic classifier: two small protocols, no base class.

A classifier is either trainable (it has `fit`) or fixed (a finished diagnostic model with labels of its own).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

__all__ = ["FixedClassifier", "TrainableClassifier", "Units"]

Units = Literal["mV", "uV"]


@runtime_checkable
class TrainableClassifier(Protocol):
    """Learns any set of labels from ECGs; a new one is made by its factory for each training.

    It gets float32 mV, shape (n, 12, samples), leads in the order of `ecgsdk.leads.LEADS`, at 100 Hz, unless it has
    attributes `sampling_rate` (Hz), `leads` (names, in the order wanted) or `units` ("mV" or "uV") that ask for others.
    """

    def fit(self, signals: np.ndarray, labels: np.ndarray, *, seed: int) -> None:
        """Learns from signals (n, leads, samples) and labels, bool of shape (n, labels); same seed, same result."""

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record, shape (n, labels), whatever the number of records."""


@runtime_checkable
class FixedClassifier(Protocol):
    """A finished diagnostic model.

    Attributes:
        labels: its own names, in the order of its output.
        statements: for each label that has them, the SCP-ECG statements any of which make it true. Nothing is
            guessed: a label that is not named here is reported as not compared.
        sampling_rate: Hz that it expects.
        leads: names of the leads it expects, in order, of `ecgsdk.leads.LEADS`.
        units: "mV" or "uV".

    Four more attributes may be there: `seconds`, the length it wants; `thresholds`, for some of its labels the
    probability from which on it calls them, else one half; `most_records`, how many records it should be given at
    most, if it is slow; `name`, what messages call it.
    """

    labels: tuple[str, ...]
    statements: Mapping[str, tuple[str, ...]]
    sampling_rate: float
    leads: tuple[str, ...]
    units: Units

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record, shape (n, labels)."""
