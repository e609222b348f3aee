r"""A normal distribution wrapped onto the Poincare ball; densities per unit of the ball's own coordinates.

.. math:: z = \exp_\mu(v), \quad v \sim N(0, \mathrm{diag}(\sigma^2)), \qquad
          p(z) = N(v; 0, \sigma^2) \left(\frac{\sqrt c |v|}{\sinh \sqrt c |v|}\right)^{D-1} \lambda_z^D

A Wrapped Normal Distribution on Hyperbolic Space: Nagano, Yamaguchi, Fujita and Koyama 2019, arXiv:1902.02992. On the
ball, as here: Mathieu, Le Lan, Maddison, Tomioka and Teh 2019, arXiv:1901.06033.
"""

from __future__ import annotations

__all__ = ["WrappedNormal"]

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from vaekit.maths import ball_exp, ball_log, inside, log_conformal, log_spread


class _Ball(constraints.Constraint):
    """Points of a ball."""

    event_dim = 1


class WrappedNormal(Distribution):
    """N(0, diag(scale^2)) on the tangent space at loc, wrapped onto the ball along geodesics.

    Its KL from another is estimated by draws. It reckons in float64; samples in float32 come no nearer to the edge
    than 1e-5 of the radius, which is the distance 12 / sqrt(c) from the origin.

    Args:
        loc: (*batch, D), of norms below 1 / sqrt(curvature).
        log_scale: (*batch, D), of the tangent vector, in units of length.
        curvature: c, above 0: the space has the curvature -c.

    Example:
        >>> q = WrappedNormal(torch.zeros(4, 2), torch.zeros(4, 2), 1.0)
        >>> q.rsample((3,)).shape, q.log_prob(torch.zeros(2))  # 4 times the density in units of area
        (torch.Size([3, 4, 2]), tensor([-0.4516, -0.4516, -0.4516, -0.4516]))
    """

    arg_constraints = {}
    has_rsample = True
    support = _Ball()

    def __init__(self, loc: Tensor, log_scale: Tensor, curvature: float = 1.0) -> None:
        self.loc, self.log_scale, self.curvature = loc, log_scale, curvature
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean on the ball itself: where the mean squared distance is least."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Of the tangent vector, in the ball's coordinates at loc: what the variance is where scales are small."""
        return (self.log_scale - log_conformal(self.loc, self.curvature).unsqueeze(-1)).mul(2).exp()

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        noise = torch.randn((*sample_shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)
        z = ball_exp(self.loc.double(), (noise * self.log_scale.exp()).double(), self.curvature)
        return inside(z, self.curvature, self.loc.dtype).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        c, d = self.curvature, self.loc.shape[-1]
        z, scale = value.double(), self.log_scale.double()
        v = ball_log(self.loc.double(), z, c)  # (*batch, D)
        flat = -0.5 * (v * (-scale).exp()).square().sum(-1) - scale.sum(-1) - 0.5 * d * math.log(2 * math.pi)
        radius = (v.square().sum(-1) + 1e-30).sqrt()  # 1e-30: a gradient where z is loc
        return (flat - (d - 1) * log_spread(radius, c) + d * log_conformal(z, c)).to(value.dtype)

    def tempered(self, temperature: float) -> WrappedNormal:
        """The same with its scale multiplied by the temperature (0: the mean)."""
        return WrappedNormal(self.loc, self.log_scale + math.log(max(temperature, 1e-30)), self.curvature)
