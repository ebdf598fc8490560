"""Synthesiser: one synthetic ECG of each real one, as near to it or as far from it as is asked for.

After Yoo et al. 2023 (doi 10.1007/s13755-023-00241-y): a CNN + Bi-LSTM from ECG to ECG. docs/paper.md says what is
theirs and what is our reading.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.drawing import Stream, noise
from ecgsdk.errors import ConditionError, DataError
from ecgsdk.leads import to_eight, to_twelve
from ecgsdk.models import find_model
from ecgsdk.readers.source import fitted
from ecgsdk.runtime import open_session, session_device
from ecgsdk.workers import Workers, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecgsdk.cards import SynthesiserCard
    from ecgsdk.models import Model
    from ecgsdk.readers import ECGSource
    from ecgsdk.workers import Begun

__all__ = ["Synthesiser", "load_synthesiser"]


def load_synthesiser(
    model: str | Path | None = None, *, device: str = "auto", threads: int | None = None
) -> Synthesiser:
    """The synthesiser of an installed model or a model folder.

    Args:
        model: a name that `list_models` knows or a folder; default: the shipped synthesiser.
        device: "auto", "cpu" or "cuda".
        threads: on the CPU; default: one for each core that the process may use.

    Raises:
        ModelError: unknown, damaged or foreign model, or one of another kind.
        RuntimeSetupError: no ONNX Runtime, or the device is not there.
    """
    return Synthesiser(find_model(model, kind="synthesiser"), device=device, threads=threads)


class Synthesiser:
    """Makes ECGs of ECGs with one model. Its session is opened once and serves all calls."""

    def __init__(self, model: Model[SynthesiserCard], *, device: str = "auto", threads: int | None = None) -> None:
        self.model = model
        self._session = open_session(model.graph("synthesiser"), device=device)
        self._workers = Workers(self.device, threads)

    @property
    def card(self) -> SynthesiserCard:
        """The model's card."""
        return self.model.card

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card.name

    @property
    def sampling_rates(self) -> tuple[float, ...]:
        """Hz, the default first."""
        return self.card.sampling_rates

    @cached_property
    def device(self) -> str:
        """Where the model really runs: "cpu" or "cuda"."""
        return session_device(self._session)

    def provenance(self, *, seed: int, strength: float = 1.0) -> Provenance:
        """What is written beside the ECGs that `resynthesize` makes with the same arguments."""
        from ecgsdk import __version__

        return Provenance(self.card.name, self.model.sha256, __version__, seed, strength=float(strength))

    def resynthesize(
        self, source: ECGSource, *, seed: int = 0, strength: float = 1.0, start: int = 0, batch_size: int = 64
    ) -> Iterator[ECGBatch]:
        """One synthetic ECG of each ECG of a source, in its order.

        The source is compressed to the card's latent signal and noise is added to it, of `strength` times the card's
        `noise_level`. The network makes the ECG that fits best to what is left: noise and detail of the source that
        the latent signal cannot hold are gone, what the noise hides is replaced by what is usual.

        Args:
            source: real or synthetic ECGs; of each, the first seconds are taken, at the model's rate.
            seed: 0 to 2⁶⁴ − 1; the noise of a record depends on seed and index alone.
            strength: 0 gives back what the latent signal holds.
            start: index of the first record.
            batch_size: records made at a time: a matter of memory and speed.

        Yields:
            Batches of up to `batch_size` records: float32 mV, the sources' statements, heart rate, age and sex,
            indices as identifiers: the sources' names do not come through.

        Raises:
            ConditionError: a strength, seed or index out of bounds. Raised by the call, before the first batch.
            DataError: records that cannot be read, are too short, or hold what is no number.
        """
        low, high = self.card.strength
        for name, value, least, most in (
            ("strength", strength, low, high),
            ("seed", seed, 0, 2**64 - 1),
            ("start", start, 0, 2**63 - 1),
            ("batch_size", batch_size, 1, 10**9),
        ):
            if not least <= value <= most:
                raise ConditionError(f"{name} {value} must lie between {least} and {most}")
        source = fitted(source, self.card.sampling_rates[0], self.card.seconds)
        return self._batches(source, self.provenance(seed=seed, strength=strength), start, batch_size)

    def _batches(self, source: ECGSource, provenance: Provenance, start: int, batch_size: int) -> Iterator[ECGBatch]:
        return in_turn(self._begun(source, provenance, start, batch_size))

    def _begun(
        self, source: ECGSource, provenance: Provenance, start: int, batch_size: int
    ) -> Iterator[Begun[ECGBatch]]:
        for batch in source.batches(batch_size):
            if not np.isfinite(batch.signals).all():
                row = int(np.argmin(np.isfinite(batch.signals).all(axis=(1, 2))))
                raise DataError(f"{source.name}, record {batch.identifiers[row]} holds what is no number; leave it out")
            yield self._resynthesized(batch, range(start, start + len(batch)), provenance)
            start += len(batch)

    def _resynthesized(self, real: ECGBatch, indices: range, provenance: Provenance) -> Begun[ECGBatch]:
        eight = to_eight(real.signals)
        level = np.float32((provenance.strength or 0.0) * self.card.noise_level)

        def made(block: slice) -> np.ndarray:
            drawn = noise(provenance.seed, indices[block], Stream.SYNTHESISER, self.card.latent_shape)
            levels = np.full((len(drawn), 1), level, dtype=np.float32)
            feed = {"signals": eight[block].astype(np.float32), "noise": drawn, "level": levels}
            return to_twelve(self._session.run(None, feed)[0])

        def batch(signals: np.ndarray) -> ECGBatch:
            names = tuple(str(i) for i in indices)
            return replace(real, signals=signals, identifiers=names, provenance=provenance)

        return self._workers.begin(len(eight), made, batch, blocks=1)
