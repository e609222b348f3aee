r"""Sylvester layers: Sylvester Normalizing Flows for Variational Inference, van den Berg et al. 2018,
https://arxiv.org/abs/1803.05649.

.. math:: f(z) = z + Q R \tanh(\tilde R Q^\top z + b), \qquad
          \det = \prod_i 1 + r_{ii} \tilde r_{ii} (1 - \tanh^2(\cdot)_i)
"""

from __future__ import annotations

__all__ = ["HouseholderSylvester", "Sylvester"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.maths import increasing_root
from vaekit.messages import Mistake, require_count
from vaekit.networks.flows.base import Layer, Map, Numbers
from vaekit.networks.flows.householder import reflections

LARGEST = 0.999  # of a diagonal's elements, so that no determinant falls to 0


class Sylvester(Layer):
    """M planar layers at once, along orthonormal directions Q that are read off the features, or learned.

    The paper orthonormalises Q by an iteration that stops at an error; a QR decomposition has none.

    Args:
        latent_dim: D.
        features: the shape of the features that Q, R, R~ and b are read off, or None.
        width: M, at most D, which it is where nothing is given and D is below 8; else 8.

    Example:
        >>> z, log_det = Sylvester(4, width=2)().forward(torch.zeros(5, 4))
        >>> z.shape, log_det.shape
        (torch.Size([5, 4]), torch.Size([5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("berg2018",)

    def __init__(
        self, latent_dim: int, features: Sequence[int] | int | None = None, *, width: int | None = None
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.width = require_count("width", width) if width is not None else min(8, latent_dim)
        if self.width > latent_dim:
            raise Mistake(f"got width={self.width} and wanted at most as many as there are latents, {latent_dim}.")
        self.numbers, self.bend = self.directions(features), bend_of(self.width, features)

    def directions(self, features: Sequence[int] | int | None) -> Numbers:
        """What Q is made of."""
        return Numbers(features, torch.randn(self.latent_dim * self.width))

    def orthonormal(self, features: Tensor | None) -> Tensor:
        """Q, (*batch, D, M)."""
        raw = self.numbers(features).unflatten(-1, (self.latent_dim, self.width))
        return torch.linalg.qr(raw)[0]

    def forward(self, features: Tensor | None = None) -> Map:
        m = self.width
        both, first, second, b = self.bend(features).split([m * m, m, m, m], -1)
        both, first, second = both.unflatten(-1, (m, m)), LARGEST * first.tanh(), LARGEST * second.tanh()
        upper = both.triu(1) + torch.diag_embed(first)
        inner = both.tril(-1).mT + torch.diag_embed(second)
        return _Sylvester(self.orthonormal(features), upper, inner, b)


class HouseholderSylvester(Sylvester):
    """A Sylvester layer of M = D whose Q is a product of Householder reflections.

    Args:
        latent_dim: D.
        features: the shape of the features that Q, R, R~ and b are read off, or None.
        reflections: how many; D of them make any orthogonal matrix.
    """

    def __init__(self, latent_dim: int, features: Sequence[int] | int | None = None, *, reflections: int = 8) -> None:
        self.reflections = require_count("reflections", reflections)
        super().__init__(latent_dim, features, width=latent_dim)

    def directions(self, features: Sequence[int] | int | None) -> Numbers:
        return Numbers(features, torch.randn(self.reflections * self.latent_dim))

    def orthonormal(self, features: Tensor | None) -> Tensor:
        v = self.numbers(features).unflatten(-1, (self.reflections, self.latent_dim))
        return reflections(v, torch.eye(self.latent_dim, dtype=v.dtype, device=v.device))


def bend_of(width: int, features: Sequence[int] | int | None) -> Numbers:
    """Both triangles in one square, both diagonals, and b; near the identity at first."""
    return Numbers(features, 0.1 * torch.randn(width * (width + 3)) / math.sqrt(width))


class _Sylvester(Map):
    """Q (*batch, D, M), R and R~ (*batch, M, M), upper triangular, and b (*batch, M)."""

    def __init__(self, q: Tensor, upper: Tensor, inner: Tensor, b: Tensor) -> None:
        self.q, self.upper, self.inner, self.b = q, upper, inner, b

    def _diagonals(self) -> tuple[Tensor, Tensor]:
        return self.upper.diagonal(dim1=-2, dim2=-1), self.inner.diagonal(dim1=-2, dim2=-1)

    def _log_det(self, bent: Tensor) -> Tensor:
        first, second = self._diagonals()
        return torch.log1p(first * second * (1 - bent.square())).sum(-1)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        bent = (times(self.inner, times(self.q.mT, z)) + self.b).tanh()
        return z + times(self.q, times(self.upper, bent)), self._log_det(bent)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The last of M coordinates depends on itself alone, the one before it on the last too, and so on."""
        first, second = self._diagonals()
        there = times(self.q.mT, z)  # (*leading, M)
        m = there.shape[-1]
        inner, upper = (t.expand(*there.shape[:-1], m, m) for t in (self.inner, self.upper))
        first, second, b = (t.expand_as(there) for t in (first, second, self.b))
        here: list[Tensor] = []  # from the last to the first
        bent: list[Tensor] = []
        for i in reversed(range(m)):
            shift, target = b[..., i], there[..., i]
            for back, (v, h) in enumerate(zip(here, bent, strict=True)):
                j = m - 1 - back
                shift, target = shift + inner[..., i, j] * v, target - upper[..., i, j] * h
            r, s = first[..., i], second[..., i]

            def lacking(
                v: Tensor, r: Tensor = r, s: Tensor = s, shift: Tensor = shift, target: Tensor = target
            ) -> tuple[Tensor, Tensor]:
                h = (s * v + shift).tanh()
                return v + r * h - target, 1 + r * s * (1 - h.square())

            here.append(increasing_root(lacking, target - r.abs(), target + r.abs()))
            bent.append((s * here[-1] + shift).tanh())
        h = torch.stack(bent[::-1], -1)
        return z - times(self.q, times(self.upper, h)), self._log_det(h)


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """(*batch, M, D) and (*leading, D) -> (*leading, M)."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
