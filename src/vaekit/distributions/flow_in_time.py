r"""What noise becomes along a field of velocities, by fixed steps of Runge and Kutta, with its exact density.

.. math:: \frac{dz}{dt} = v(z, t), \quad z_0 \sim N(0, I), \qquad
          \log p(z_1) = \log N(z_0; 0, I) - \int_0^1 \nabla \cdot v(z_t, t)\, dt

(Chen et al. 2018, arXiv:1806.07366). The divergence is taken exactly, with one derivative for each dimension.
"""

from __future__ import annotations

__all__ = ["FlowInTime"]

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.gaussian import StandardGaussian

CHUNK = 2**14  # values scored at a time

Velocity = Callable[[Tensor, Tensor], Tensor]


class FlowInTime(Distribution):
    """N(0, I) carried along a field of velocities from time 0 to 1, then moved and scaled.

    Args:
        velocity: z (B, D) and t () -> (B, D).
        loc: (D,), scale: (D,): value = loc + scale * z_1.
        steps: of the fourth-order method.
    """

    arg_constraints = {}

    def __init__(self, velocity: Velocity, loc: Tensor, scale: Tensor, steps: int) -> None:
        self.velocity, self.loc, self.scale, self.steps = velocity, loc, scale, steps
        super().__init__(torch.Size(), loc.shape, validate_args=False)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            z = torch.randn(max(shape.numel(), 1), *self.loc.shape, dtype=self.loc.dtype, device=self.loc.device)
            for step in range(self.steps):
                z = self._step(lambda z, t: (self.velocity(z, t),), (z,), step / self.steps, 1 / self.steps)[0]
        return (self.loc + self.scale * z).view(*shape, *self.loc.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        flat = ((value - self.loc) / self.scale).reshape(-1, *self.loc.shape)
        found = torch.cat([self._scored(part) for part in flat.split(CHUNK)])
        return found.view(value.shape[:-1]) - self.scale.log().sum()

    def _scored(self, z: Tensor) -> Tensor:
        """log p of values in the flow's own units, (B,): back along the field, the divergence beside it."""
        base, gained = StandardGaussian(torch.zeros_like(self.loc)), torch.zeros_like(z[:, 0])
        for step in range(self.steps):
            z, gained = self._step(self._with_divergence, (z, gained), 1 - step / self.steps, -1 / self.steps)
        return base.log_prob(z) + gained  # gained = the integral of the divergence from 1 to 0

    def _with_divergence(self, z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The velocity and its divergence at points, (B, D) and (B,)."""
        axes = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)

        def along(axis: Tensor) -> tuple[Tensor, Tensor]:
            v, slope = torch.func.jvp(lambda z: self.velocity(z, t), (z,), (axis.expand_as(z),))  # type: ignore[misc]
            return v, (slope * axis).sum(-1)

        v, slopes = torch.func.vmap(along)(axes)  # (D, B, D), (D, B)
        return v[0], slopes.sum(0)

    def _step(
        self, field: Callable[..., tuple[Tensor, ...]], state: tuple[Tensor, ...], t: float, h: float
    ) -> tuple[Tensor, ...]:
        """One step of the classical fourth-order method of a state whose first part the field reads."""
        at = [self.loc.new_tensor(time) for time in (t, t + h / 2, t + h)]
        k1 = field(state[0], at[0])
        k2 = field(state[0] + h / 2 * k1[0], at[1])
        k3 = field(state[0] + h / 2 * k2[0], at[1])
        k4 = field(state[0] + h * k3[0], at[2])
        slopes = zip(k1, k2, k3, k4, strict=True)
        return tuple(s + h / 6 * (a + 2 * b + 2 * c + d) for s, (a, b, c, d) in zip(state, slopes, strict=True))
