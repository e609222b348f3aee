r"""LogCosh: the density whose negative logarithm is the log-cosh loss.

.. math:: -\log p(x) = \tfrac1a \log \cosh(a t) + \log s - \log 2a + \tfrac1a \log 2 + \log B(\tfrac1{2a}, \tfrac1{2a}),
          \quad t = (x - \mu) / s
"""

from __future__ import annotations

__all__ = ["LogCosh"]

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vaekit.distributions.base import Located


class LogCosh(Located):
    """Independent elements, like a Gaussian near their mean and like a Laplace far from it (Chen, Chen and Zhang 2019).

    With u ~ Beta(c, c), c = 1 / 2a, the logit of u over 2a has this density at s = 1, the generalised hyperbolic
    secant: draws are exact, and so is the variance, psi_1(c) / 2 a^2.

    Args:
        loc: (*batch, *event).
        log_scale: broadcastable to loc.
        sharpness: a; large ones are nearer to a Laplace of scale s, small ones to a Gaussian of variance s^2 / a.
        event_dims: how many of the last axes are one event.

    Example:
        >>> LogCosh(torch.zeros(2, 3), torch.zeros(()), 10.0).log_prob(torch.zeros(3))
        tensor([-2.2759, -2.2759])
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, sharpness: float = 10.0, event_dims: int = 1) -> None:
        self.loc, self.log_scale, self.sharpness = loc, log_scale, sharpness
        self.shape_ = 0.5 / sharpness
        super().__init__(loc, event_dims)

    @property
    def variance(self) -> Tensor:
        unit = torch.special.polygamma(1, torch.tensor(self.shape_, dtype=torch.float64)) / (2 * self.sharpness**2)
        return (2 * self.log_scale).exp().expand_as(self.loc) * float(unit)

    def log_prob_each(self, value: Tensor) -> Tensor:
        a = self.sharpness
        t = (value - self.loc) * (-self.log_scale).exp()
        # log cosh without an overflow: |at| + log(1 + exp(-2 |at|)) - log 2
        size = (a * t).abs()
        loss = (size + softplus(-2 * size) - math.log(2)) / a
        beta = 2 * math.lgamma(self.shape_) - math.lgamma(2 * self.shape_)
        return -loss - self.log_scale + math.log(2 * a) - math.log(2) / a - beta

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            # a Gamma(c) draw is a Gamma(c + 1) draw times U^(1 / c): its logarithm does not underflow
            shape = (2, *sample_shape, *self.loc.shape)
            gamma = torch.full(shape, self.shape_ + 1, dtype=self.loc.dtype, device=self.loc.device)
            uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
            tiny = torch.finfo(self.loc.dtype).tiny
            first, second = torch._standard_gamma(gamma).log() + uniform.clamp_min(tiny).log() / self.shape_
            return self.loc + self.log_scale.exp() * (first - second) / (2 * self.sharpness)
