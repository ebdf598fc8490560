"""Records cut out of longer signals from a sample drawn at random, with the ends of recordings.

A decoder that makes eight samples of each token treats each of the eight in its own way, by a few per cent of their
fine power; a network sees that in every record. Cut from any sample, no sample of a record is known to be the first of
a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecgsdk.training.networks import TOKEN

__all__ = ["LEAST_OFFSET", "SPARE", "Cut", "CutDecoder", "begun_later"]

SPARE = 3
"""Tokens by which what is cut is longer than a record: a decoder's own ends stay behind, too."""

LEAST_OFFSET = TOKEN
"""Samples before the first with which a record may begin; it begins with one of the next eight."""

_LEAST_MV = 5e-4
_GREATEST = 2.5


class Cut(nn.Module):
    """Cuts a record out of signals that are three tokens longer.

    PTB-XL's records100 are smoother at their first sample and rougher over their last ten than elsewhere. Matrices make
    a record's first and last differences of samples as large as recorded ones; what lies between is not touched.
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

        Each difference counts by its median over records and leads, over that in the inner part. Without made ECGs,
        theirs are taken to be alike.
        """
        for name, ends in (("first", slice(self.ENDS - 1)), ("last", slice(-self.ENDS + 1, None))):
            gains = _roughness(recorded, ends)
            if made is not None:
                gains = gains / _roughness(made, ends)
            getattr(self, name).copy_(_scaling(gains.clamp(1 / _GREATEST, _GREATEST), outwards=name == "last"))


class CutDecoder(nn.Module):
    """A decoder, what is behind it, and the cut: latents three tokens longer, noise, offsets → 8 leads × samples, mV.

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


def _roughness(signals: Tensor, ends: slice) -> Tensor:
    """Median size of each of some differences of samples, over that of all in the inner part."""
    sizes = signals.diff(dim=-1).abs() + _LEAST_MV
    inner = sizes[..., Cut.ENDS : -Cut.ENDS].median(dim=-1, keepdim=True).values.median(dim=0, keepdim=True).values
    return (sizes[..., ends] / inner).flatten(0, 1).median(dim=0).values


def _scaling(gains: Tensor, *, outwards: bool) -> Tensor:
    """The matrix, to be multiplied from the right, by which differences are so many times as large.

    Seen from the inner end, which stays: the last sample of a record's first ones, or the first of its last.
    """
    steps = len(gains) + 1
    differences = torch.zeros(steps, steps - 1, dtype=gains.dtype)
    differences.diagonal()[:] = -1
    differences.diagonal(-1)[:] = 1
    kept = torch.zeros(steps, steps, dtype=gains.dtype)
    kept[0 if outwards else -1] = 1
    # Sample k is the inner one and all scaled differences between the two.
    after = torch.ones(steps - 1, steps, dtype=gains.dtype).triu(1)
    summed = after if outwards else after - 1
    return kept + (differences * gains) @ summed
