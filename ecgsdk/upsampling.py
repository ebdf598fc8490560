"""Upsampling: ECGs at the rate of a model's decoder → the same at a higher rate, with noise of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.binding import run_into
from ecgsdk.drawing import Stream, noise
from ecgsdk.resampling import resample, resampled_length
from ecgsdk.runtime import open_session, session_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.binding import Value

__all__ = ["Upsampling"]

# Records that the graph takes at a time: its inner signals are long, and many.
_CPU_AT_ONCE = 2
_CUDA_AT_ONCE = 256


class Upsampling:
    """The upsampler of a model, open.

    Attributes:
        made_rate: Hz, the rate that its graph makes; lower ones are made of that.
        most: records that one call of `upsampled` should have at most; None: as many as one likes.
    """

    def __init__(self, graph: bytes, *, given_rate: float, device: str = "auto") -> None:
        self._session = open_session(graph, device=device)
        on_cpu = session_device(self._session) == "cpu"
        self.most = None if on_cpu else _CUDA_AT_ONCE
        self._at_once = _CPU_AT_ONCE if on_cpu else _CUDA_AT_ONCE
        given, drawn = self._session.get_inputs()
        self._noise_shape: tuple[int, int] = tuple(drawn.shape[1:])
        self._made_shape: tuple[int, int] = tuple(self._session.get_outputs()[0].shape[1:])
        self.made_rate = given_rate * self._made_shape[1] / given.shape[2]

    def upsampled(self, signals: Value, seed: int, records: Sequence[int], sampling_rate: float) -> np.ndarray:
        """The signals of these records at another rate.

        Args:
            signals: float32 mV at the given rate, shape (n, 8, samples), on the host or on the graph's device.
            seed, records: what the noise of each record depends on.
            sampling_rate: Hz, up to the rate that the graph makes.

        Returns:
            float32 mV, shape (n, 8, samples at that rate).
        """
        grain = noise(seed, records, Stream.UPSAMPLER, self._noise_shape)
        if len(records) > self._at_once and not isinstance(signals, np.ndarray):
            signals = signals.numpy()
        length = resampled_length(self._made_shape[1], self.made_rate, sampling_rate)
        upsampled = np.empty((len(records), self._made_shape[0], length), dtype=np.float32)
        for first in range(0, len(records), self._at_once):
            part = slice(first, first + self._at_once)
            given = signals if len(records) <= self._at_once else signals[part]
            if sampling_rate == self.made_rate:
                self._make(given, grain[part], upsampled[part])
            else:
                made = np.empty((len(grain[part]), *self._made_shape), dtype=np.float32)
                upsampled[part] = resample(self._make(given, grain[part], made), self.made_rate, sampling_rate)
        return upsampled

    def _make(self, signals: Value, grain: np.ndarray, made: np.ndarray) -> np.ndarray:
        return run_into(self._session, {"signals": signals, "noise": grain}, made)
