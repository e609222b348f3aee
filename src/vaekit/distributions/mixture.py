r"""A mixture of diagonal Gaussians.

.. math:: \log p(z) = \log \sum_k \pi_k N(z; \mu_k, \sigma_k^2)
"""

from __future__ import annotations

__all__ = ["GaussianMixture"]

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.gaussian import DiagonalGaussian


class GaussianMixture(Distribution):
    """K Gaussians with independent elements; its KL from another distribution is estimated by draws.

    Args:
        loc: (K, D).
        log_scale: (K, D).
        logits: (K,), of the shares.

    Example:
        >>> p = GaussianMixture(torch.tensor([[0.0], [4.0]]), torch.zeros(2, 1), torch.zeros(2))
        >>> p.log_prob(torch.tensor([[0.0], [4.0]])), p.mean
        (tensor([-1.6118, -1.6118]), tensor([2.]))
    """

    arg_constraints = {}

    def __init__(self, loc: Tensor, log_scale: Tensor, logits: Tensor) -> None:
        self.parts, self.log_share = DiagonalGaussian(loc, log_scale), logits.log_softmax(-1)
        super().__init__(torch.Size(), loc.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_share.exp() @ self.parts.loc

    @property
    def variance(self) -> Tensor:
        share = self.log_share.exp()
        return share @ self.parts.variance + share @ (self.parts.loc - self.mean).square()

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(self.log_share + self.parts.log_prob(value.unsqueeze(-2)), -1)

    def log_responsibilities(self, value: Tensor) -> Tensor:
        """The log-probability of each part, given the value, (*leading, K)."""
        return (self.log_share + self.parts.log_prob(value.unsqueeze(-2))).log_softmax(-1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            shape = torch.Size(sample_shape)
            chosen = torch.multinomial(self.log_share.exp(), max(shape.numel(), 1), replacement=True)
            loc, scale = self.parts.loc[chosen], self.parts.scale.expand_as(self.parts.loc)[chosen]
            return torch.addcmul(loc, scale, torch.randn_like(loc)).view(*shape, -1)

    def tempered(self, temperature: float) -> GaussianMixture:
        """The same with each part's scale multiplied by the temperature."""
        parts = self.parts.tempered(temperature)
        return GaussianMixture(parts.loc, parts.log_scale, self.log_share)
