"""What the upsampler draws for whole records, fitted to recordings before tuning: own ways, levels, correlations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ecgsdk.training.upsampler_grain import BANDS, STATES
from ecgsdk.training.upsampler_network import LATENTS

if TYPE_CHECKING:
    from torch import Tensor

    from ecgsdk.training.upsampler_data import RatePairs
    from ecgsdk.training.upsampler_network import Upsampler

__all__ = ["fit_statistics", "levels_of", "own_weights", "without_own_way"]

_AT_ONCE = 16
_EDGE = 5
_RIDGE = 2e-3
_SHRINKAGE = 0.05
_SHARE = 0.95
_TINY = 1e-12


def own_weights(basis: Tensor, left: Tensor) -> Tensor:
    """The weights of shapes that explain best what is left of a record, by ridge regression.

    Args:
        basis: (n, 8, shapes, samples), of `Upsampler.basis`; left: (n, 8, samples), recorded less expected.

    Returns:
        (n, 8, shapes).
    """
    gram = basis @ basis.transpose(-1, -2)
    gram = gram + _RIDGE * torch.eye(gram.shape[-1], device=gram.device)
    return torch.linalg.solve(gram, (basis @ left[..., None])[..., 0])


def without_own_way(basis: Tensor, left: Tensor, weights: Tensor) -> Tensor:
    """What is left when the weighted shapes are gone, (n, 8, samples)."""
    return left - torch.einsum("nlkt,nlk->nlt", basis, weights)


@torch.no_grad()
def fit_statistics(network: Upsampler, pairs: RatePairs) -> None:
    """Makes `network` draw with the moments of `pairs`, over all of their records, from which tuning sets out."""
    starts = range(0, len(pairs), _AT_ONCE)
    parts = [_moments(network, *pairs.whole(range(i, min(i + _AT_ONCE, len(pairs))))[:2]) for i in starts]
    weights, levels, products = (torch.cat(values) for values in zip(*parts))
    shapes, levels_end = network.sizes[0], network.sizes[0] + network.sizes[1]
    drawn = network.drawn
    drawn.weight[:levels_end] = 0
    drawn.weight[:shapes, :shapes] = _SHARE * torch.linalg.cholesky(_covariance(weights))
    mean = levels.mean(dim=0)
    drawn.weight[shapes:levels_end, LATENTS : 2 * LATENTS] = _leading(_covariance(levels - mean), LATENTS)
    mean.unflatten(0, (STATES, -1))[1] += math.log(_SHARE)
    drawn.bias[shapes:levels_end] = mean
    network.grain.mixing[..., : products.shape[-1]] = _factors(products.mean(dim=0))
    network.grain.mixing[..., products.shape[-1] :].normal_(std=0.05)


def levels_of(found: Tensor, logs: Tensor, states: Tensor) -> Tensor:
    """Logarithms of how much larger coefficients are than gains, (n, 2, bands, 8).

    Moments count by their gain: between counting all alike, which loud ones hardly enter, and by power, which is made
    of few.
    """
    ratio = (states * (found.square() * torch.exp(-logs))[:, None]).sum(dim=-1) + _TINY
    return 0.5 * (ratio / ((states * torch.exp(logs)[:, None]).sum(dim=-1) + _TINY)).log()


def _moments(network: Upsampler, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of some records: weights (n, 8 · shapes), levels (n, 2 · bands · 8), products of leads (n, 2, bands, 8, 8)."""
    grain, features = network.grain, network.features(coarse)
    left, basis = fine - network.expected(coarse, features), network.basis(features)
    weights = own_weights(basis, left)
    inner = slice(_EDGE, -_EDGE)
    logs = grain.log_gains(coarse, features)
    active = grain.activity(logs)[..., inner]
    logs, found = logs[..., inner], grain.coefficients(without_own_way(basis, left, weights))[..., inner]
    states = torch.stack([1 - active, active], dim=1)
    levels = levels_of(found, logs, states)
    scores = found * torch.exp(-logs - (states * levels[..., None]).sum(dim=1))
    products = torch.einsum("nsbit,nbit,nbjt->nsbij", states.expand(-1, -1, BANDS, found.shape[2], -1), scores, scores)
    power = products.diagonal(dim1=3, dim2=4).mean(dim=-1)
    return weights.transpose(1, 2).flatten(1), levels.flatten(1), products / (power[..., None, None] + _TINY)


def _covariance(values: Tensor) -> Tensor:
    """Second moments of rows, shrunk a little towards none between columns."""
    moments = values.T @ values / len(values)
    return (1 - _SHRINKAGE) * moments + torch.diag(_SHRINKAGE * moments.diagonal() + 1e-6)


def _leading(covariance: Tensor, columns: int) -> Tensor:
    """A factor of a covariance in as many columns, those of its greatest principal components."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors[:, -columns:] * values[-columns:].clamp(min=0).sqrt()


def _factors(products: Tensor) -> Tensor:
    """Lower triangular factors (Cholesky) of the correlations in products."""
    size = products.diagonal(dim1=-2, dim2=-1).sqrt()
    correlations = products / (size[..., None] * size[..., None, :] + _TINY)
    return torch.linalg.cholesky(0.999 * correlations + 0.001 * torch.eye(size.shape[-1], device=products.device))
