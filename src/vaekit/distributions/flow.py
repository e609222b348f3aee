r"""A distribution pushed through invertible maps.

.. math:: \log q(z_T) = \log q(z_0) - \sum_t \log |\det \partial z_t / \partial z_{t-1}|
"""

from __future__ import annotations

__all__ = ["Bijection", "Flow"]

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence, register_kl

from vaekit.distributions.base import frozen
from vaekit.distributions.gaussian import StandardGaussian

DRAWS, SEED = 64, 0  # that moments are taken from, in pairs of opposite noise


class Bijection(Protocol):
    """An invertible map of vectors (*leading, D)."""

    rotates: bool

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The image, and log|det| of the Jacobian, (*leading)."""

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Where an image came from, and log|det| of the forward map there."""

    def frozen(self) -> Bijection:
        """The same with parameters that carry no gradient."""

    def double(self) -> Bijection:
        """The same in float64."""


class Flow(Distribution):
    """The distribution of f_T(... f_1(z_0)) with z_0 from a Gaussian.

    The last draw keeps its log-density from the way there, so that its score costs nothing. Other values are taken back
    through the inverse maps; so is that draw in a `frozen` copy, whose score has a gradient in the value. `mean` and
    `variance` are those of 64 draws from noise that is always the same.

    Args:
        base: of event shape (D,), with `noise` and `from_noise`.
        maps: f_1 ... f_T, such as the layers of vk.networks.flows give.

    Example:
        >>> from vaekit.distributions import DiagonalGaussian
        >>> from vaekit.networks.flows import Planar
        >>> q = Flow(DiagonalGaussian(torch.zeros(5, 3), torch.zeros(5, 3)), [Planar(3)(), Planar(3)()])
        >>> q.log_prob(q.rsample((2,))).shape
        torch.Size([2, 5])
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, base: Any, maps: Sequence[Bijection]) -> None:
        self.base, self.maps = base, tuple(maps)
        self._drawn: tuple[Tensor, Tensor] | None = None
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def _push(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z_0 -> z_T and log|det| of all maps."""
        total = torch.zeros_like(z[..., 0])
        for f in self.maps:
            z, log_det = f.forward(z)
            total = total + log_det
        return z, total

    def noise(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal noise for `from_noise`, (*shape, *batch, D)."""
        drawn: Tensor = self.base.noise(shape)
        return drawn

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that this noise makes; noise broadcasts, so that rows may share it."""
        start = self.base.from_noise(noise)
        z, log_det = self._push(start)
        self._drawn = z, self.base.log_prob(start) - log_det
        return z

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self.from_noise(self.noise(tuple(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._drawn is not None and value is self._drawn[0]:
            score = self._drawn[1]
            # of a draw without gradients the score may be wanted with some: those of the parameters at a fixed value
            if not torch.is_grad_enabled() or score.requires_grad:
                return score
        total = torch.zeros_like(value[..., 0])
        for f in reversed(self.maps):
            value, log_det = f.inverse(value)
            total = total + log_det
        score = self.base.log_prob(value)
        return score - total

    def _draws(self) -> Tensor:
        """(DRAWS, *batch, D), of noise that all rows share."""
        width = self.event_shape[0]
        half = torch.randn(DRAWS // 2, width, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
        noise = torch.cat([half, -half]).to(self.base.mean)
        return self._push(self.base.from_noise(noise.view(-1, *[1] * len(self.batch_shape), width)))[0]

    @property
    def mean(self) -> Tensor:
        return self._draws().mean(0)

    @property
    def variance(self) -> Tensor:
        return self._draws().var(0)

    def tempered(self, temperature: float) -> Flow:
        """The same maps on a base whose scale is multiplied by the temperature."""
        return Flow(self.base.tempered(temperature), self.maps)

    def frozen(self) -> Flow:
        """The same with parameters that carry no gradient: its score moves a sample and nothing else."""
        return Flow(frozen(self.base), [f.frozen() for f in self.maps])


@register_kl(Flow, StandardGaussian)
def _kl_rotated(q: Flow, p: StandardGaussian) -> Tensor:
    """Rotations leave the KL from N(0, I) as it is; that of other maps has no closed form."""
    if not all(f.rotates for f in q.maps):
        raise NotImplementedError
    return kl_divergence(q.base, p)
