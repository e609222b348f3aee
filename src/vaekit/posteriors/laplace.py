"""The Laplace posterior (Shi et al. 2019, arXiv:1911.03393, among others)."""

from __future__ import annotations

__all__ = ["Laplace"]

from torch import Tensor
from torch.nn.functional import hardtanh

from vaekit import distributions
from vaekit.posteriors.base import Posterior

LOG_SCALE = 10.0  # as of the Gaussian


class Laplace(Posterior):
    """q(z|x) = Laplace(loc(x), b(x)), element by element.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> Laplace(MLP(784, [64]), 8)(torch.zeros(5, 784)).rsample((2,)).shape
        torch.Size([2, 5, 8])
    """

    parameters_each = 2

    def forward(self, *given: Tensor | None) -> distributions.Laplace:
        loc, log_scale = self.parameters_of(*given)  # each (B, D)
        return distributions.Laplace(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE))
