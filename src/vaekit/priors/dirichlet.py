r"""A Dirichlet distribution in the basis of the softmax, by Laplace's approximation.

.. math:: z \sim N(\mu, \mathrm{diag}(\sigma^2)), \quad \mu_k = \log \alpha_k - \tfrac1K \textstyle\sum_i \log \alpha_i,
          \quad \sigma_k^2 = \tfrac{1}{\alpha_k} (1 - \tfrac2K) + \tfrac{1}{K^2} \sum_i \tfrac{1}{\alpha_i}
"""

from __future__ import annotations

__all__ = ["DirichletLogits"]

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.priors.base import Prior


class DirichletLogits(Prior):
    """softmax(z) is about Dirichlet(alpha, ..., alpha) (Srivastava and Sutton 2017, arXiv:1703.01488).

    Args:
        latent_dim: K, 2 or more.
        concentration: alpha; below 1 most of the weight is on few of the K.

    Example:
        >>> DirichletLogits(4, 0.5)().sample((3,)).softmax(-1).sum(-1).allclose(torch.ones(3))
        True
    """

    cites: ClassVar[tuple[str, ...]] = ("srivastava2017",)

    def __init__(self, latent_dim: int, concentration: float = 1.0) -> None:
        super().__init__()
        if require_count("latent_dim", latent_dim) < 2:
            raise Mistake("got latent_dim=1 and wanted 2 or more: one share is always all of it.")
        if not 0 < concentration < math.inf:
            raise Mistake(f"got concentration={concentration!r} and wanted a number above 0.")
        self.latent_shape = (latent_dim,)
        variance = (1 - 2 / latent_dim) / concentration + 1 / (latent_dim * concentration)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.register_buffer("log_scale", torch.full((latent_dim,), 0.5 * math.log(variance)))
        self.zeros: Tensor
        self.log_scale: Tensor

    def forward(self, *given: Tensor | None) -> distributions.DiagonalGaussian:
        return distributions.DiagonalGaussian(self.zeros, self.log_scale)
