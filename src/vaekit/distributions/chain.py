r"""GaussianChain: a stationary first-order autoregression, N(0, 1) at every step.

.. math:: z_1 = \epsilon_1, \quad z_t = \alpha z_{t-1} + \sqrt{1 - \alpha^2}\, \epsilon_t, \quad \epsilon \sim N(0, I)
"""

from __future__ import annotations

__all__ = ["GaussianChain"]

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.distributions.gaussian import HALF_LOG_TWO_PI, DiagonalGaussian


class GaussianChain(Distribution):
    """T steps of C channels that are correlated in time; a value is (*batch, T * C), the steps one after the other.

    Args:
        zeros: (T, C), which gives shape, type and device.
        correlation: alpha between neighbours, -1 < alpha < 1.
        log_scale: of all; 0 leaves each element N(0, 1).

    Example:
        >>> GaussianChain(torch.zeros(3, 2), 0.5).log_prob(torch.zeros(6))
        tensor(-4.9383)
    """

    arg_constraints = {}

    def __init__(self, zeros: Tensor, correlation: float, log_scale: float = 0.0) -> None:
        self.zeros, self.correlation, self.log_scale = zeros, correlation, log_scale
        self.log_step = 0.5 * math.log1p(-(correlation**2))  # of the scale of what is new at a step
        super().__init__(torch.Size(), torch.Size((zeros.numel(),)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.zeros.flatten()

    @property
    def variance(self) -> Tensor:
        return torch.full_like(self.mean, math.exp(2 * self.log_scale))

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            like = self.zeros
            noise = torch.randn((*sample_shape, *like.shape), dtype=like.dtype, device=like.device)
            steps = [noise[..., 0, :]]
            for t in range(1, len(like)):
                steps.append(self.correlation * steps[-1] + math.exp(self.log_step) * noise[..., t, :])
            return math.exp(self.log_scale) * torch.stack(steps, -2).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        z = value.unflatten(-1, self.zeros.shape) * math.exp(-self.log_scale)  # (*batch, T, C)
        new = (z[..., 1:, :] - self.correlation * z[..., :-1, :]) * math.exp(-self.log_step)
        squares = z[..., 0, :].square().sum(-1) + new.square().sum((-2, -1))
        return -0.5 * squares - self._log_scales() - self.zeros.numel() * HALF_LOG_TWO_PI

    def _log_scales(self) -> float:
        """The sum of the log-scales of all elements, each given those before it."""
        steps, channels = self.zeros.shape
        return channels * ((steps - 1) * self.log_step + steps * self.log_scale)

    def expected_log_prob(self, q: DiagonalGaussian) -> Tensor:
        """The mean of log p over q, (*batch), exact."""
        inverse = math.exp(-2 * self.log_scale)
        loc = q.loc.unflatten(-1, self.zeros.shape)
        variance = q.scale.square().expand_as(q.loc).unflatten(-1, self.zeros.shape)
        first = (loc[..., 0, :].square() + variance[..., 0, :]).sum(-1)
        new = (loc[..., 1:, :] - self.correlation * loc[..., :-1, :]).square()
        new = new + variance[..., 1:, :] + self.correlation**2 * variance[..., :-1, :]
        squares = inverse * (first + math.exp(-2 * self.log_step) * new.sum((-2, -1)))
        return -0.5 * squares - self._log_scales() - self.zeros.numel() * HALF_LOG_TWO_PI

    def tempered(self, temperature: float) -> GaussianChain:
        """The same with its scale multiplied by the temperature (0: the mode)."""
        return GaussianChain(self.zeros, self.correlation, self.log_scale + math.log(max(temperature, 1e-30)))


@register_kl(DiagonalGaussian, GaussianChain)
def _kl_chain(q: DiagonalGaussian, p: GaussianChain) -> Tensor:
    return -q.entropy() - p.expected_log_prob(q)
