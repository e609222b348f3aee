"""Implicit: a distribution that can be drawn from and has no density that is known."""

from __future__ import annotations

__all__ = ["Implicit"]

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.point import PointMass


class Implicit(PointMass):
    """z = f(noise) with standard normal noise: like a point it has no density, unlike one it varies.

    Args:
        make: f, from noise (..., B, N) to values (..., B, D), differentiable.
        fixed: (M, N), the noise that moments are taken over: the same for every item, so that they do not vary from
            call to call.
        shape: (B, D).

    Example:
        >>> q = Implicit(lambda noise: noise.exp(), torch.zeros(4, 2), (3, 2))
        >>> q.rsample((5,)).shape, q.mean[0]
        (torch.Size([5, 3, 2]), tensor([1., 1.]))
    """

    def __init__(self, make: Callable[[Tensor], Tensor], fixed: Tensor, shape: tuple[int, ...]) -> None:
        self.make, self.fixed = make, fixed
        Distribution.__init__(self, torch.Size(shape[:1]), torch.Size(shape[1:]), validate_args=False)

    def _some(self) -> Tensor:
        """(M, B, D)."""
        return self.make(self.fixed.unsqueeze(1).expand(-1, *self.batch_shape, -1))

    @property
    def value(self) -> Tensor:  # type: ignore[override]
        return self._some().mean(0)

    @property
    def variance(self) -> Tensor:
        return self._some().var(0, correction=0)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = (*sample_shape, *self.batch_shape, self.fixed.shape[1])
        return self.make(torch.randn(shape, dtype=self.fixed.dtype, device=self.fixed.device))
