"""How far beats of a record lie from their average, and how strong that average is before QRS complexes, as recorded.

A decoder makes each beat anew: P waves, QRS complexes and T waves vary more from one to the next than in recordings.
And in fibrillation generated beats have more in common before QRS complexes than recorded ones: P waves where there are
none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.training.frames import filtered, framed, unframed
from ecgsdk.training.impulses import LENGTH, correlated
from ecgsdk.training.losses import low_pass
from ecgsdk.training.transport import ConditionalTransport
from ecgsdk.usual_beats import BEFORE

__all__ = ["Scatter", "averages", "scatter_levels"]

_RATE = 100
_BAND_HZ = (3.0, 22.0)
_TAPS = 81
# Samples of a beat that share a level, and levels of the average: up to 80 ms before R.
_BIN = 4
_BINS = LENGTH // _BIN
_BINS_BEFORE = (BEFORE - 8) // _BIN
# A wave of an average is what it is above the mean of both sides, so many samples away.
_SIDE = 4
# Of mean squares, so that their logarithm stays finite: 1.4 µV.
_LEAST_MV2 = 2e-6
# Added to the variance of each level before the two covariances are mapped.
_NOISE = 0.01
# Logarithms of the least and the greatest gain of amplitudes. What has been changed is filtered once more when it is
# measured, and has then changed less: so gains go further than levels ask.
_LOG_GAINS = (-1.5, 0.5)
_FURTHER = 1.2


def _band_pass() -> Tensor:
    """A sinc of the band under a Hann window, without its mean."""
    places = torch.arange(_TAPS, dtype=torch.float64) - _TAPS // 2
    low, high = (2 * edge / _RATE * torch.sinc(2 * edge / _RATE * places) for edge in _BAND_HZ)
    taps = (high - low) * torch.hann_window(_TAPS + 2, periodic=False, dtype=torch.float64)[1:-1]
    return taps - taps.mean()


class Scatter(nn.Module):
    """Levels of what differs from beat to beat, and of averages before QRS complexes, mapped to recorded ones.

    A level is the logarithm of a mean square over 40 ms of a beat in one lead. The 8 · 22 of the first kind and the
    8 · 8 of the second are mapped together, by `mapping`.
    """

    kernel: Tensor
    ramps: Tensor

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.mapping = ConditionalTransport(condition, 8 * (_BINS + _BINS_BEFORE), 8 * (_BINS + _BINS_BEFORE))
        self.register_buffer("kernel", framed(_band_pass()[None]), persistent=False)
        self.register_buffer("ramps", _ramps(), persistent=False)

    def waves(self, signals: Tensor) -> Tensor:
        """Signals (n, leads, samples) at 100 Hz between 3 and 22 Hz: above what breathing moves, below most noise."""
        return unframed(filtered(signals, self.kernel))

    def forward(self, mean: Tensor, power: Tensor, beats: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """How beats are to change, (n, 8, 88) both.

        Args:
            mean, power: of waves, as `averages` gives them.
            beats: averaged ones as they are to be, (n, 8, 88) in mV.
            condition: (n, width).

        Returns:
            Gains of what differs from beat to beat, less 1; what averaged beats are to have more, in mV.
        """
        levels = _together(scatter_levels(mean, power), beats)
        gains = (_FURTHER * (self.mapping(levels, condition) - levels) / 2).clamp(*_LOG_GAINS)
        apart, before = gains.reshape(-1, 8, _BINS + _BINS_BEFORE).split([_BINS, _BINS_BEFORE], dim=2)
        before = F.pad(before, (0, _BINS - _BINS_BEFORE))
        louder, stronger = ((part @ self.ramps).exp() - 1 for part in (apart, before))
        return louder, stronger * _bumps(beats)

    def learn(self, made: tuple[Tensor, Tensor], recorded: tuple[Tensor, Tensor], condition: Tensor) -> None:
        """Takes `mapping` from what is made and what is recorded with the same conditions.

        Args:
            made, recorded: `scatter_levels`, (n, 8, 22), and averaged beats, (n, 8, 88) in mV; what is made as it is to
                be but for this.
            condition: (n, width).
        """
        self.mapping.learn(_together(*made), _together(*recorded), condition, _NOISE)


def averages(signals: Tensor, waves: Tensor, train: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Averaged beats of records.

    Args:
        signals, waves: (n, 8, samples) in mV.
        train: impulses at beats over their number, (n, samples).

    Returns:
        Averaged beats without their mean, and the means of waves and of their squares around the beats, (n, 8, 88).
    """
    whole, mean, power = correlated(torch.cat([signals, waves, waves.square()], dim=1), train).split(8, dim=1)
    return whole - whole.mean(dim=2, keepdim=True), mean, power


def scatter_levels(mean: Tensor, power: Tensor) -> Tensor:
    """How far beats are from their average, (n, 8, 22); arguments as `averages` gives them."""
    return _levels((power - mean.square()).clamp_min(0))


def _together(scatter: Tensor, beats: Tensor) -> Tensor:
    """Levels of both kinds, lead by lead, (n, 240)."""
    before = _levels(_bumps(beats)[:, :, : _BIN * _BINS_BEFORE].square())
    return torch.cat([scatter, before], dim=2).flatten(1)


def _levels(squares: Tensor) -> Tensor:
    return (F.avg_pool1d(squares, _BIN) + _LEAST_MV2).log()


def _bumps(beats: Tensor) -> Tensor:
    """How far averaged beats below 20 Hz, (n, 8, 88), are above the mean of both sides, 40 ms away."""
    sides = F.pad(low_pass(beats), (_SIDE, _SIDE), mode="replicate")
    return sides[:, :, _SIDE:-_SIDE] - (sides[:, :, : -2 * _SIDE] + sides[:, :, 2 * _SIDE :]) / 2


def _ramps() -> Tensor:
    """Levels of a beat to its samples, (22, 88): straight between the middles of their bins."""
    middles = _BIN * (torch.arange(_BINS) + 0.5) - 0.5
    places = torch.arange(LENGTH).clamp(middles[0], middles[-1])
    return (1 - (places - middles[:, None]).abs() / _BIN).clamp_min(0)
