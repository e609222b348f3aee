"""The standard normal prior (Kingma and Welling 2014, arXiv:1312.6114)."""

from __future__ import annotations

__all__ = ["StandardNormal"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit.distributions import StandardGaussian
from vaekit.priors.base import Prior


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
