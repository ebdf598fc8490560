"""Upsampling: ECGs at the rate of a model's decoder → the same at a higher rate, with noise of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.drawing import Stream, noise
from ecgsdk.resampling import resample
from ecgsdk.runtime import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Upsampling"]

_AT_ONCE = 2
"""Records that the graph takes at a time: its inner signals are long, and many."""


class Upsampling:
    """The upsampler of a model, open.

    Attributes:
        made_rate: Hz, the rate that its graph makes; lower ones are made of that.
    """

    def __init__(self, graph: bytes, *, given_rate: float, device: str = "auto") -> None:
        self._session = open_session(graph, device=device)
        given, drawn = self._session.get_inputs()
        self._noise_shape: tuple[int, int] = tuple(drawn.shape[1:])
        self.made_rate = given_rate * self._session.get_outputs()[0].shape[2] / given.shape[2]

    def upsampled(self, signals: np.ndarray, seed: int, records: Sequence[int], sampling_rate: float) -> np.ndarray:
        """The signals of these records at another rate.

        Args:
            signals: float32 mV at the given rate, shape (n, 8, samples).
            seed, records: what the noise of each record depends on.
            sampling_rate: Hz, up to the rate that the graph makes.

        Returns:
            float32 mV, shape (n, 8, samples at that rate).
        """
        grain = noise(seed, records, Stream.UPSAMPLER, self._noise_shape)
        pairs = [slice(first, first + _AT_ONCE) for first in range(0, len(signals), _AT_ONCE)]
        made = (self._session.run(None, {"signals": signals[pair], "noise": grain[pair]})[0] for pair in pairs)
        return np.concatenate([resample(signals_made, self.made_rate, sampling_rate) for signals_made in made])
