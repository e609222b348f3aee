r"""Planar and radial layers: Variational Inference with Normalizing Flows, Rezende and Mohamed 2015,
https://arxiv.org/abs/1505.05770.

.. math:: f(z) = z + u \tanh(w^\top z + b), \qquad f(z) = z + \beta (z - c) / (\alpha + \|z - c\|)
"""

from __future__ import annotations

__all__ = ["Planar", "Radial"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vaekit.maths import increasing_root
from vaekit.networks.flows.base import LEAST, Layer, Map, Numbers, unit_at_zero

TINY = 1e-30  # a squared norm that still divides


class Planar(Layer):
    """z is pushed along u, by how far it lies on one side of a plane.

    The map is one-to-one where u.w >= -1, so u is moved along w to u.w = m(u.w). The paper's m(x) = softplus(x) - 1 is
    taken at x + log(e - 1), which leaves u = 0 where it is.

    Args:
        latent_dim: D.
        features: the shape of the features that u, w and b are read off, or None.

    Example:
        >>> z, log_det = Planar(3)().forward(torch.zeros(5, 3))
        >>> z.shape, log_det.shape
        (torch.Size([5, 3]), torch.Size([5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("rezende2015",)

    def __init__(self, latent_dim: int, features: Sequence[int] | int | None = None) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        spread = torch.cat([torch.full((latent_dim,), 0.1), torch.ones(latent_dim), torch.zeros(1)])
        self.numbers = Numbers(features, spread * torch.randn(2 * latent_dim + 1) / math.sqrt(latent_dim))

    def forward(self, features: Tensor | None = None) -> Map:
        u, w, b = self.numbers(features).split([self.latent_dim, self.latent_dim, 1], -1)
        return _Planar(u, w, b.squeeze(-1))


class _Planar(Map):
    """u, w (*batch, D) and b (*batch)."""

    def __init__(self, u: Tensor, w: Tensor, b: Tensor) -> None:
        along = (u * w).sum(-1, keepdim=True)
        slope = unit_at_zero(along)  # the determinant where tanh is steepest, 1 + u.w after the move
        self.u = u + (slope - 1 - along) * w / w.square().sum(-1, keepdim=True).clamp_min(TINY)
        self.w, self.b, self.slope = w, b, slope.squeeze(-1)

    def _log_det(self, bent: Tensor) -> Tensor:
        """1 + (1 - tanh^2) u.w as a sum of what is not negative, so that it is never 0."""
        return torch.lerp(self.slope, torch.ones_like(bent), bent.square()).log()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        bent = ((self.w * z).sum(-1) + self.b).tanh()
        return z + self.u * bent.unsqueeze(-1), self._log_det(bent)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        height, rise = (
            (self.w * z).sum(-1) + self.b,
            self.slope - 1,
        )  # the height of z_0 is a with a + rise tanh a = height

        def lacking(a: Tensor) -> tuple[Tensor, Tensor]:  # a is the height of what came in
            bent = a.tanh()
            return a + rise * bent - height, torch.lerp(self.slope, torch.ones_like(bent), bent.square())

        bent = increasing_root(lacking, height - rise.abs(), height + rise.abs()).tanh()
        return z - self.u * bent.unsqueeze(-1), self._log_det(bent)


class Radial(Layer):
    """z is drawn to a centre c, or pushed off it; one-to-one since beta >= -alpha.

    Args:
        latent_dim: D.
        features: the shape of the features that c, alpha and beta are read off, or None.
    """

    cites: ClassVar[tuple[str, ...]] = ("rezende2015",)

    def __init__(self, latent_dim: int, features: Sequence[int] | int | None = None) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        spread = torch.cat([torch.ones(latent_dim), torch.full((2,), 0.1)])
        self.numbers = Numbers(features, spread * torch.randn(latent_dim + 2))

    def forward(self, features: Tensor | None = None) -> Map:
        centre, alpha, beta = self.numbers(features).split([self.latent_dim, 1, 1], -1)
        return _Radial(centre, softplus(alpha.squeeze(-1)) + LEAST, unit_at_zero(beta.squeeze(-1)))


class _Radial(Map):
    """c (*batch, D), alpha > 0 and slope = 1 + beta / alpha > 0, the factor at the centre, (*batch)."""

    def __init__(self, centre: Tensor, alpha: Tensor, slope: Tensor) -> None:
        self.centre, self.alpha, self.slope = centre, alpha, slope

    def _factor(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """By how much z - c is stretched at a distance r, and log|det| there."""
        outer = self.alpha + r
        factor = (r + self.alpha * self.slope) / outer
        along = (r.square() + 2 * self.alpha * r + self.alpha.square() * self.slope) / outer.square()
        return factor, (self.centre.shape[-1] - 1) * factor.log() + along.log()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        away = z - self.centre
        factor, log_det = self._factor(_norm(away))
        return self.centre + away * factor.unsqueeze(-1), log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        away = z - self.centre
        far = _norm(away)
        half = 0.5 * (far - self.alpha * self.slope)  # r^2 - 2 half r - alpha far = 0
        root = (half.square() + self.alpha * far).sqrt()
        r = torch.where(half > 0, half + root, self.alpha * far / (root - half).clamp_min(TINY))
        factor, log_det = self._factor(r)
        return self.centre + away / factor.unsqueeze(-1), log_det


def _norm(x: Tensor) -> Tensor:
    """The norm over the last axis, with a gradient at 0."""
    return (x.square().sum(-1) + TINY).sqrt()
