r"""The Laplace distribution with independent elements.

.. math:: \log p(z) = \sum_i -|z_i - \mu_i| / b_i - \log 2 b_i, \qquad
          KL = \sum_i \log \frac{b'}{b} + \frac{b e^{-|\mu - \mu'| / b} + |\mu - \mu'|}{b'} - 1
"""

from __future__ import annotations

__all__ = ["Laplace"]

import math

import torch
from torch import Tensor
from torch.distributions import register_kl

from vaekit.distributions.base import Located
from vaekit.distributions.gaussian import HALF_LOG_TWO_PI, DiagonalGaussian
from vaekit.maths import sum_event

LOG_TWO = math.log(2)


class Laplace(Located):
    """Heavy tails and a peak: most elements near the middle and a few far off.

    Args:
        loc: (*batch, *event).
        log_scale: of b, broadcastable to loc; the standard deviation is b times the root of 2.
        event_dims: how many of the last axes are one event.

    Example:
        >>> Laplace(torch.zeros(2, 3), torch.zeros(2, 3)).log_prob(torch.zeros(3))
        tensor([-2.0794, -2.0794])
    """

    has_rsample = True

    def __init__(self, loc: Tensor, log_scale: Tensor, event_dims: int = 1) -> None:
        self.loc, self.log_scale = loc, log_scale
        super().__init__(loc, event_dims)

    @property
    def variance(self) -> Tensor:
        return 2 * (2 * self.log_scale).exp().expand_as(self.loc)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that this noise makes, by way of the share of noise that is farther out."""
        away = -LOG_TWO - torch.special.log_ndtr(-noise.abs())
        return self.loc + self.log_scale.exp() * noise.sign() * away

    def log_prob_each(self, value: Tensor) -> Tensor:
        return -(value - self.loc).abs() * (-self.log_scale).exp() - self.log_scale - LOG_TWO

    def entropy(self) -> Tensor:
        return sum_event((1 + LOG_TWO + self.log_scale).expand_as(self.loc), self.event_dims)

    def kl_each(self, p: Laplace | DiagonalGaussian) -> Tensor:
        """KL(self || p) of each element, (*batch, *event)."""
        gap, narrow = self.loc - p.loc, (-p.log_scale).exp()
        if isinstance(p, DiagonalGaussian):
            spread = 0.5 * (2 * (2 * self.log_scale).exp() + gap.square()) * narrow.square()
            return spread + p.log_scale + HALF_LOG_TWO_PI - 1 - LOG_TWO - self.log_scale
        far = gap.abs()
        near = self.log_scale.exp() * (-far * (-self.log_scale).exp()).exp()
        return p.log_scale - self.log_scale + (near + far) * narrow - 1

    def kl_each_from(self, q: DiagonalGaussian) -> Tensor:
        """KL(q || self) of each element, (*batch, *event): E|z| of a Gaussian is known."""
        gap = q.loc - self.loc
        ratio = gap / q.scale
        far = q.scale * math.sqrt(2 / math.pi) * (-0.5 * ratio.square()).exp() + gap * torch.erf(ratio / math.sqrt(2))
        return far * (-self.log_scale).exp() + self.log_scale + LOG_TWO - q.log_scale - 0.5 - HALF_LOG_TWO_PI

    def tempered(self, temperature: float) -> Laplace:
        """The same with its scale multiplied by the temperature (0: the mode)."""
        return Laplace(self.loc, self.log_scale + math.log(max(temperature, 1e-30)), self.event_dims)


@register_kl(Laplace, Laplace)
def _kl_laplace(q: Laplace, p: Laplace) -> Tensor:
    return sum_event(q.kl_each(p), q.event_dims)


@register_kl(Laplace, DiagonalGaussian)
def _kl_laplace_gaussian(q: Laplace, p: DiagonalGaussian) -> Tensor:
    return sum_event(q.kl_each(p), q.event_dims)


@register_kl(DiagonalGaussian, Laplace)
def _kl_gaussian_laplace(q: DiagonalGaussian, p: Laplace) -> Tensor:
    return sum_event(p.kl_each_from(q), q.event_dims)
