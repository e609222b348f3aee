"""The linear Gaussian model's closed form, from which PCA and probabilistic PCA start."""

from __future__ import annotations

__all__ = ["principal_axes", "set_linear"]

import torch
from torch import Tensor, nn

from vaekit.models import VAE


def principal_axes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (D,), eigenvalues (D,) in descending order and eigenvectors (D, D), in float64, of the maximum-likelihood
    covariance of x (N, *X)."""
    flat = x.flatten(1).double()
    mean = flat.mean(0)
    covariance = (flat - mean).T @ (flat - mean) / len(flat)
    values, vectors = torch.linalg.eigh(covariance)
    return mean, values.flip(0).clamp_min(0), vectors.flip(1)


@torch.no_grad()
def set_linear(head: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Fill the linear layer of a head."""
    head.layer.weight.copy_(weight)  # type: ignore[union-attr, operator]
    head.layer.bias.copy_(bias)  # type: ignore[union-attr, operator]


def decode_linearly(model: VAE, weight: Tensor, mean: Tensor) -> None:
    """Make the likelihood's mean weight z + mean, weight (D, latents)."""
    set_linear(model.likelihood.head, weight, mean)
