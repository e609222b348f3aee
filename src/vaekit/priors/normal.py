"""Gaussian priors: the standard normal (Kingma and Welling 2014, arXiv:1312.6114), and one that fits the latents."""

from __future__ import annotations

__all__ = ["FullGaussian", "StandardNormal"]

from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.distributions import StandardGaussian
from vaekit.priors.base import Prior

FLOOR = 1e-6  # of the largest variance: what is added to all, so that latents of one value keep a density


class StandardNormal(Prior):
    """p(z) = N(0, I).

    Args:
        latent_dim: the number of latents.

    Example:
        >>> StandardNormal(2)().log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014",)

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> StandardGaussian:
        return StandardGaussian(self.zeros)


class FullGaussian(Prior):
    """p(z) = N(mean, L L^T), learned, or by `vk.fit_prior` at the latents' own mean and covariance.

    Args:
        latent_dim: the number of latents; it begins as N(0, I).

    Example:
        >>> FullGaussian(2)().log_prob(torch.zeros(2))
        tensor(-1.8379, grad_fn=<SubBackward0>)
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.loc = nn.Parameter(torch.zeros(latent_dim))
        self.tril = nn.Parameter(torch.zeros(latent_dim, latent_dim))  # below its diagonal L, on it the log of L's

    def forward(self, *given: Tensor | None) -> distributions.FullGaussian:
        return distributions.FullGaussian(self.loc, unpacked(self.tril))

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """The latents' mean and covariance: the maximum of the likelihood."""
        z = z.double()
        covariance = torch.atleast_2d(torch.cov(z.T, correction=0))
        self.loc.copy_(z.mean(0))
        self.tril.copy_(packed(covariance))
        return True


def unpacked(tril: Tensor) -> Tensor:
    """Lower triangular with a positive diagonal, from any numbers, (*batch, D, D)."""
    return tril.tril(-1) + torch.diag_embed(tril.diagonal(dim1=-2, dim2=-1).exp())


def packed(covariance: Tensor) -> Tensor:
    """What `unpacked` makes the Cholesky factor of these covariances of, (*batch, D, D)."""
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    least = FLOOR * variance.amax(-1, keepdim=True).clamp_min(FLOOR)
    tril = torch.linalg.cholesky(covariance + torch.diag_embed(least.expand_as(variance)))
    return tril.tril(-1) + torch.diag_embed(tril.diagonal(dim1=-2, dim2=-1).log())
