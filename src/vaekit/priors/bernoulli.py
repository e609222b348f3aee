"""The prior of fair coins, for binary latents."""

from __future__ import annotations

__all__ = ["FairBernoulli"]

import torch
from torch import Tensor

from vaekit.distributions import Bernoulli
from vaekit.priors.base import Prior


class FairBernoulli(Prior):
    """p(z) = 2^-D over z in {0, 1}^D.

    Args:
        latent_dim: the number of latents.

    Example:
        >>> FairBernoulli(3)().log_prob(torch.ones(3))
        tensor(-2.0794)
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> Bernoulli:
        return Bernoulli(self.zeros)
