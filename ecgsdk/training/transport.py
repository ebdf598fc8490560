"""Optimal transport between Gaussians: one covariance is changed into another with as little change as can be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Moments", "transport"]

_RIDGE = 3e-3


class Moments(nn.Module):
    """Mean and covariance of what was observed, in double precision."""

    count: Tensor
    sums: Tensor
    products: Tensor

    def __init__(self, values: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("sums", torch.zeros(values, dtype=torch.float64))
        self.register_buffer("products", torch.zeros(values, values, dtype=torch.float64))

    def observe(self, values: Tensor) -> None:
        """Takes rows of values into account."""
        rows = values.double()
        self.count += len(rows)
        self.sums += rows.sum(0)
        self.products += rows.T @ rows

    def mean(self) -> Tensor:
        """Of each value."""
        return self.sums / self.count

    def covariance(self) -> Tensor:
        """With a ridge: 0.003 is added to each variance, so that few rows do."""
        mean = self.mean()
        ridge = _RIDGE * torch.eye(len(mean), device=mean.device)
        return self.products / self.count - torch.outer(mean, mean) + ridge

    def spread(self) -> Tensor:
        """Mean over the values of their standard deviations, ridge included."""
        return self.covariance().diagonal().sqrt().mean().float()


def transport(given: Tensor, wanted: Tensor) -> Tensor:
    """The symmetric matrix that gives Gaussian values of one covariance another, and moves them least.

    Optimal transport between Gaussians: Dowson and Landau 1982, Journal of Multivariate Analysis 12, 450.
    """
    root = _root(given)
    inverse = torch.linalg.inv(root)
    return inverse @ _root(root @ wanted @ root) @ inverse


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
