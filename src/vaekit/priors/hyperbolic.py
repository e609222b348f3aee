"""The prior on the Poincare ball (Mathieu et al. 2019, arXiv:1901.06033)."""

from __future__ import annotations

__all__ = ["WrappedNormal"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import require_positive
from vaekit.priors.base import Prior


class WrappedNormal(Prior):
    """p(z) = N(0, I) on the tangent space at the origin, wrapped onto the ball of curvature -c.

    Args:
        latent_dim: D.
        curvature: c, above 0.

    Example:
        >>> WrappedNormal(2, curvature=0.5)().log_prob(torch.zeros(2))
        tensor(-0.4516)
    """

    cites: ClassVar[tuple[str, ...]] = ("mathieu2019", "nagano2019")

    def __init__(self, latent_dim: int, *, curvature: float = 1.0) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.curvature = require_positive("curvature", curvature)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> distributions.WrappedNormal:
        return distributions.WrappedNormal(self.zeros, self.zeros, self.curvature)
