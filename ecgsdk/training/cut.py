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

SPARE = 3
"""Tokens by which what is cut is longer than a record: a decoder's own ends stay behind, too."""

LEAST_OFFSET = TOKEN
"""Samples before the first with which a record may begin; it begins with one of the next eight."""

_QUIET_MV = 0.04
_INNER = (200, 500, 700)


class Cut(nn.Module):
    """Cuts a record out of signals that are three tokens longer.

    PTB-XL's records100 are smoother at their first sample and rougher over their last ten than elsewhere. Matrices give
    a record's first and last samples the covariance of recorded ones.
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
        indices = offset[:, None, None] + torch.arange(self.samples, device=offset.device)
        cut = signals.gather(2, indices.expand(-1, signals.shape[1], -1))
        inner = cut[..., self.ENDS : -self.ENDS]
        return torch.cat([cut[..., : self.ENDS] @ self.first, inner, cut[..., -self.ENDS :] @ self.last], dim=2)

    def learn_ends(self, signals: Tensor) -> None:
        """Takes the matrices from recordings, (n, leads, samples) in mV.

        Stretches in which neighbours differ by less than 40 µV tell of ends what QRS complexes would drown. Signals
        keep their level.
        """
        inner = torch.cat([_quiet(signals[..., k : k + self.ENDS]) for k in _INNER if k + self.ENDS <= self.samples])
        for name, stretches in (("first", signals[..., : self.ENDS]), ("last", signals[..., -self.ENDS :])):
            level = torch.full((self.ENDS, self.ENDS), 1 / self.ENDS, dtype=torch.float64)
            change = transport(_covariance(inner), _covariance(_quiet(stretches))) - torch.eye(self.ENDS)
            keep = torch.eye(self.ENDS) + (torch.eye(self.ENDS) - level) @ change
            getattr(self, name).copy_(keep)


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


def _quiet(stretches: Tensor) -> Tensor:
    """Stretches (n, leads, time) of one lead each without steep parts, less their means, (m, time)."""
    flat = stretches.flatten(0, 1).double()
    flat = flat[flat.diff(dim=1).abs().amax(dim=1) < _QUIET_MV]
    return flat - flat.mean(dim=1, keepdim=True)


def _covariance(stretches: Tensor) -> Tensor:
    """Of stretches (m, time), with 0.03 µV for the mean that they lack."""
    return stretches.T @ stretches / max(1, len(stretches)) + 1e-9 * torch.eye(stretches.shape[1])
