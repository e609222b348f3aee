"""The uniform prior on the unit sphere (Davidson et al. 2018, arXiv:1804.00891)."""

from __future__ import annotations

__all__ = ["HypersphericalUniform"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.priors.base import Prior


class HypersphericalUniform(Prior):
    """p(z) = 1 / area on the unit sphere of R^D.

    Args:
        latent_dim: D, 2 or more.

    Example:
        >>> HypersphericalUniform(2)().log_prob(torch.tensor([1.0, 0.0]))
        tensor(-1.8379)
    """

    cites: ClassVar[tuple[str, ...]] = ("davidson2018",)

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 2:
            raise Mistake(f"got latent_dim={latent_dim} and a sphere wants 2 or more: the circle is in the plane.")
        self.latent_shape = (latent_dim,)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> distributions.HypersphericalUniform:
        return distributions.HypersphericalUniform(self.zeros)
