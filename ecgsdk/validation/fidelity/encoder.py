"""The validation encoder: features of ECGs, in which real and synthetic ones are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.models import find_model
from ecgsdk.runtime import available_cores, open_session
from ecgsdk.workers import Threads

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.cards import EncoderCard
    from ecgsdk.models import Model

__all__ = ["Encoder", "load_encoder"]

# Records that a thread takes at a time: enough to fill its matrix products, few enough to stay in its cache.
_SHARE = 16


def load_encoder(encoder: str | Path | None = None, *, threads: int | None = None) -> Encoder:
    """The shipped encoder, or that of a folder that `python -m ecgsdk.training.encoder` wrote.

    Args:
        encoder: name of an installed one, or a folder; default: the shipped one.
        threads: default: one for each core that the process may use.

    Raises:
        ModelError: unknown, damaged or foreign encoder.
        RuntimeSetupError: no ONNX Runtime.
    """
    return Encoder(find_model(encoder, kind="encoder"), threads=threads)


class Encoder:
    """Gives features with one encoder. Its session is opened once, serves all calls, and several at a time."""

    def __init__(self, model: Model[EncoderCard], *, threads: int | None = None) -> None:
        self.model = model
        self._session = open_session(model.graph("encoder"), device="cpu")
        self._threads = Threads(threads or available_cores())

    @property
    def card(self) -> EncoderCard:
        """The encoder's card."""
        return self.model.card

    @property
    def sha256(self) -> str:
        """SHA-256 of the encoder's graph."""
        return self.card.graphs["encoder"]["sha256"]

    def features(self, eight: np.ndarray) -> np.ndarray:
        """Features of records; those of one record do not depend on the others.

        Args:
            eight: leads I, II, V1–V6 in mV at `card.sampling_rate`, shape (n, 8, samples), any length from 1 s.

        Returns:
            float32, shape (n, `card.features`); each has a mean of about 0 and a variance of about 1 over real ECGs.
        """
        if eight.ndim != 3 or eight.shape[1] != len(INDEPENDENT_LEADS) or eight.shape[2] < self.card.sampling_rate:
            raise ValueError(f"signals must have shape (n, 8, samples) and last a second or more, not {eight.shape}")
        shares = [eight[first : first + _SHARE] for first in range(0, len(eight), _SHARE)]
        if not shares:
            return np.empty((0, self.card.features), dtype=np.float32)
        if self._threads.number == 1 or len(shares) == 1:
            return np.concatenate([self._of(share) for share in shares])
        return np.concatenate(list(self._threads.map(self._of, shares)))

    def _of(self, share: np.ndarray) -> np.ndarray:
        signals = np.ascontiguousarray(share, dtype=np.float32)
        return self._session.run(None, {"signals": signals})[0]
