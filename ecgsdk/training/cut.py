"""Records cut out of longer signals from a sample drawn at random, with the ends of recordings.

A decoder that makes eight samples of each token treats each of the eight in its own way, by a few per cent of their
fine power; a network sees that in every record. Cut from any sample, no sample of a record is known to be the first of
a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecgsdk.training.networks import TOKEN
from ecgsdk.training.transport import transport

__all__ = ["LEAST_OFFSET", "SPARE", "Cut", "CutDecoder", "begun_later"]

SPARE = 4
"""Tokens by which what is cut is longer than a record: a decoder's own ends stay behind, too.

Its last 16 samples are rough in a way of their own.
"""

LEAST_OFFSET = TOKEN
"""Samples before the first with which a record may begin; it begins with one of the next eight."""

_QUIET_MV = 0.04
_INNER = (200, 500, 700)


class Cut(nn.Module):
    """Cuts a record out of signals that are four tokens longer.

    PTB-XL's records100 are smoother at their first sample and rougher over their last ten than elsewhere. Matrices give
    the differences of a record's first and last samples the covariance of recorded ones; what lies between stays.
    """

    ENDS = 24

    first: Tensor
    last: Tensor

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.samples = samples
        for name in ("first", "last"):
            self.register_buffer(name, torch.eye(self.ENDS))

    def forward(self, signals: Tensor, offset: Tensor) -> Tensor:
        """Signals from sample `offset` on, int64 of shape (n,), 8 to 15."""
        cut = self.between(signals, offset)
        inner = cut[..., self.ENDS : -self.ENDS]
        return torch.cat([cut[..., : self.ENDS] @ self.first, inner, cut[..., -self.ENDS :] @ self.last], dim=2)

    def between(self, signals: Tensor, offset: Tensor) -> Tensor:
        """The same with the ends as they are."""
        indices = offset[:, None, None] + torch.arange(self.samples, device=offset.device)
        return signals.gather(2, indices.expand(-1, signals.shape[1], -1))

    def learn_ends(self, recorded: Tensor, made: Tensor | None = None) -> None:
        """Takes the matrices from recordings, (n, leads, samples) in mV, and from what was made and cut `between`.

        The optimal transport between the covariances of differences, in stretches in which these are below 40 µV: they
        tell of ends what QRS complexes would drown. Without made ECGs, recordings' inner parts stand for their ends.
        """
        places = {"first": 0, "last": recorded.shape[-1] - self.ENDS}
        for name, place in places.items():
            end = slice(place, place + self.ENDS)
            inner = [recorded[..., k : k + self.ENDS] for k in _INNER if k + self.ENDS <= self.samples]
            ours = torch.cat(inner) if made is None else made[..., end]
            matrix = transport(_covariance(ours), _covariance(recorded[..., end]))
            getattr(self, name).copy_(_of_differences(matrix, outwards=name == "last"))


class CutDecoder(nn.Module):
    """A decoder, what is behind it, and the cut: latents four tokens longer, noise, offsets → 8 leads × samples, mV.

    Args:
        floor: changes the decoded signals before they are cut.
    """

    def __init__(self, decoder: nn.Module, cut: Cut, floor: nn.Module | None = None) -> None:
        super().__init__()
        self.decoder, self.cut, self.floor = decoder, cut, floor

    def forward(self, latents: Tensor, noise: Tensor, offset: Tensor) -> Tensor:
        signals = self.decoder(latents, noise)
        return self.cut(signals if self.floor is None else self.floor(signals), offset)


def begun_later(signals: Tensor, offset: Tensor) -> Tensor:
    """Signals (n, leads, samples) that begin `offset` samples later, (n,), in longer ones that stand still."""
    samples = signals.shape[-1]
    times = torch.arange(samples + SPARE * TOKEN, device=signals.device) - offset[:, None]
    return signals.gather(2, times.clamp(0, samples - 1)[:, None].expand(-1, signals.shape[1], -1))


def _covariance(stretches: Tensor) -> Tensor:
    """Of the differences in stretches (n, leads, time) of one lead each without steep parts, with 0.03 µV added."""
    differences = stretches.flatten(0, 1).double().diff(dim=1)
    quiet = differences[differences.abs().amax(dim=1) < _QUIET_MV]
    return quiet.T @ quiet / max(1, len(quiet)) + 1e-9 * torch.eye(differences.shape[1])


def _of_differences(matrix: Tensor, *, outwards: bool) -> Tensor:
    """A symmetric map of a stretch's differences as one of its samples, to be multiplied from the right.

    The sample at the inner end stays: the last of a record's first samples, or the first of its last.
    """
    steps = len(matrix) + 1
    differences = torch.eye(steps, dtype=matrix.dtype).diff(dim=0).T
    kept = torch.zeros(steps, steps, dtype=matrix.dtype)
    kept[0 if outwards else -1] = 1
    # A sample is the inner one and the differences between the two.
    after = torch.ones(steps - 1, steps, dtype=matrix.dtype).triu(1)
    return kept + differences @ matrix @ (after if outwards else after - 1)
