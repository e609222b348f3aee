"""The Laplace prior, under which few latents are far from 0."""

from __future__ import annotations

__all__ = ["Laplace"]

import math

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.priors.base import Prior


class Laplace(Prior):
    """p(z) = Laplace(0, scale), element by element.

    Args:
        latent_dim: the number of latents.
        scale: b; the root of 1/2, where nothing is given, is that of variance 1.

    Example:
        >>> Laplace(2, 1.0)().log_prob(torch.zeros(2))
        tensor(-1.3863)
    """

    def __init__(self, latent_dim: int, scale: float = math.sqrt(0.5)) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise Mistake(f"got scale={scale!r} and wanted a number above 0.")
        self.latent_shape = (latent_dim,)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.register_buffer("log_scale", torch.full((latent_dim,), math.log(scale)))
        self.zeros: Tensor
        self.log_scale: Tensor

    def forward(self, *given: Tensor | None) -> distributions.Laplace:
        return distributions.Laplace(self.zeros, self.log_scale)
