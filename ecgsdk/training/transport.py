"""Optimal transport between Gaussians: one covariance is changed into another with as little change as can be.

Means may depend on conditions (`ConditionalTransport`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ConditionalTransport", "Moments", "transport"]

_RIDGE = 3e-3
# Of each record's share in what is to be expected of a condition.
_CONDITION_RIDGE = 1e-4


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


class ConditionalTransport(nn.Module):
    """Maps what is made of conditions to what is recorded with them.

    What is to be expected is linear in the condition. What is apart from it goes the way of the optimal transport
    between two Gaussians, along the axes on which it moves values farthest.

    Attributes:
        expected_made, expected_recorded: by condition, (width + 1, values), the last row for all.
        axes, stretch: of the transport less the identity, (values, rank) and (rank,).
    """

    expected_made: Tensor
    expected_recorded: Tensor
    axes: Tensor
    stretch: Tensor

    def __init__(self, condition: int, values: int, rank: int) -> None:
        super().__init__()
        self.register_buffer("expected_made", torch.zeros(condition + 1, values))
        self.register_buffer("expected_recorded", torch.zeros(condition + 1, values))
        self.register_buffer("axes", torch.zeros(values, rank))
        self.register_buffer("stretch", torch.zeros(rank))

    def forward(self, values: Tensor, condition: Tensor, share: Tensor | float = 1.0) -> Tensor:
        """Values (n, values) as recorded ones.

        Args:
            condition: (n, width).
            share: of the change of what is apart, (n, 1).
        """
        known = F.pad(condition, (0, 1), value=1.0)
        apart = values - known @ self.expected_made
        # With a bias, a graph holds the axes once: without, a transposed copy.
        changed = F.linear(apart @ self.axes * self.stretch, self.axes, torch.zeros_like(self.axes[:, 0]))
        return known @ self.expected_recorded + apart + share * changed

    def learn(
        self, made: Tensor, recorded: Tensor, condition: Tensor, noise: float, chosen: Tensor | None = None
    ) -> None:
        """Takes expectations and axes from values (n, values) and their conditions (n, width).

        Args:
            made: of the conditions of `recorded`.
            noise: added to each variance.
            chosen: rows from which the axes are taken, bool (n,); default: all.
        """
        known = F.pad(condition, (0, 1), value=1.0).double()
        ridge = _CONDITION_RIDGE * len(known) * torch.eye(known.shape[1], device=known.device)
        covariances = []
        for values, expected in ((made, self.expected_made), (recorded, self.expected_recorded)):
            flat = values.double()
            weights = torch.linalg.solve(known.T @ known + ridge, known.T @ flat)
            apart = flat - known @ weights
            apart = apart if chosen is None else apart[chosen]
            covariances.append(apart.T @ apart / len(apart) + noise * torch.eye(flat.shape[1], device=flat.device))
            expected.copy_(weights)
        change = transport(*covariances) - torch.eye(len(covariances[0]), device=known.device)
        stretch, axes = torch.linalg.eigh(change)
        sizes = stretch.abs() * (axes * (covariances[0] @ axes)).sum(0).sqrt()
        most = sizes.argsort(descending=True)[: len(self.stretch)]
        self.axes.copy_(axes[:, most])
        self.stretch.copy_(stretch[most])


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
