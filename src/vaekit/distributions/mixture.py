r"""Mixtures of Gaussians, with diagonal and with full covariances.

.. math:: \log p(z) = \log \sum_k \pi_k N(z; \mu_k, \Sigma_k)
"""

from __future__ import annotations

__all__ = ["FullGaussianMixture", "GaussianMixture", "Mixture"]

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.gaussian import DiagonalGaussian, FullGaussian


class Mixture(Distribution):
    """K distributions of one family with a share each; its KL from another distribution is estimated by draws.

    Args:
        parts: the family with batch shape (K,).
        logits: (K,), of the shares.
    """

    arg_constraints = {}

    def __init__(self, parts: Any, logits: Tensor) -> None:
        self.parts, self.log_share = parts, logits.log_softmax(-1)
        super().__init__(torch.Size(), parts.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_share.exp() @ self.parts.mean

    @property
    def variance(self) -> Tensor:
        share = self.log_share.exp()
        return share @ self.parts.variance + share @ (self.parts.mean - self.mean).square()

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self.log_share + self.parts.log_prob(value.unsqueeze(-2)), -1)

    def log_responsibilities(self, value: Tensor) -> Tensor:
        """The log-probability of each part, given the value, (*leading, K)."""
        return (self.log_share + self.parts.log_prob(value.unsqueeze(-2))).log_softmax(-1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            shape = torch.Size(sample_shape)
            chosen = torch.multinomial(self.log_share.exp(), max(shape.numel(), 1), replacement=True)
            return self.drawn(chosen).view(*shape, -1)

    def drawn(self, chosen: Tensor) -> Tensor:
        """A draw of each of these parts, (n,) -> (n, D)."""
        raise NotImplementedError


class GaussianMixture(Mixture):
    """K Gaussians with independent elements.

    Args:
        loc: (K, D).
        log_scale: (K, D).
        logits: (K,), of the shares.

    Example:
        >>> p = GaussianMixture(torch.tensor([[0.0], [4.0]]), torch.zeros(2, 1), torch.zeros(2))
        >>> p.log_prob(torch.tensor([[0.0], [4.0]])), p.mean
        (tensor([-1.6118, -1.6118]), tensor([2.]))
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, logits: Tensor) -> None:
        super().__init__(DiagonalGaussian(loc, log_scale), logits)

    def drawn(self, chosen: Tensor) -> Tensor:
        loc, scale = self.parts.loc[chosen], self.parts.scale.expand_as(self.parts.loc)[chosen]
        return torch.addcmul(loc, scale, torch.randn_like(loc))

    def tempered(self, temperature: float) -> GaussianMixture:
        """The same with each part's scale multiplied by the temperature."""
        parts = self.parts.tempered(temperature)
        return GaussianMixture(parts.loc, parts.log_scale, self.log_share)


class FullGaussianMixture(Mixture):
    """K Gaussians with any covariance each.

    Args:
        loc: (K, D).
        scale_tril: (K, D, D), lower triangular with a positive diagonal.
        logits: (K,), of the shares.

    Example:
        >>> p = FullGaussianMixture(torch.zeros(3, 2), torch.eye(2).expand(3, 2, 2), torch.zeros(3))
        >>> p.log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    def __init__(self, loc: Tensor, scale_tril: Tensor, logits: Tensor) -> None:
        super().__init__(FullGaussian(loc, scale_tril), logits)

    def drawn(self, chosen: Tensor) -> Tensor:
        return FullGaussian(self.parts.loc[chosen], self.parts.scale_tril[chosen]).rsample()

    def tempered(self, temperature: float) -> FullGaussianMixture:
        """The same with each part's scales multiplied by the temperature."""
        parts = self.parts.tempered(temperature)
        return FullGaussianMixture(parts.loc, parts.scale_tril, self.log_share)
