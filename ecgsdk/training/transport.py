"""Optimal transport between Gaussians: one covariance is changed into another with as little change as can be."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["transport"]


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
