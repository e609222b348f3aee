"""Drawn: a distribution with the draw that has been made of it."""

from __future__ import annotations

__all__ = ["Drawn"]

from typing import Any

from torch import Tensor
from torch.distributions import Distribution


class Drawn(Distribution):
    """A distribution whose draw decides what it is compared with, so that no KL to that has a formula.

    KL(q || p) is the mean of log q - log p at the draw: the closed form with p held still is another number.

    Args:
        base: q, batch (B,) or (K, B), whose log-density is a sum over the elements.
        value: the draw, (K, B, D); whatever is asked for, it is this one.

    Example:
        >>> import torch
        >>> from vaekit.distributions import DiagonalGaussian
        >>> base = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = Drawn(base, base.rsample((3,)))
        >>> q.rsample().shape, q.kl_each(base).shape
        (torch.Size([3, 5, 2]), torch.Size([3, 5, 2]))
    """

    arg_constraints = {}

    def __init__(self, base: Any, value: Tensor) -> None:
        self.base, self.value = base, value
        super().__init__(value.shape[:-1], value.shape[-1:], validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return bool(self.base.has_rsample)

    @property
    def loc(self) -> Tensor:
        loc: Tensor = self.base.loc
        return loc.expand_as(self.value)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        variance: Tensor = self.base.variance
        return variance.expand_as(self.value)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The draw that was made; the noise has gone into it."""
        return self.value

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self.value

    def log_prob(self, value: Tensor) -> Tensor:
        score: Tensor = self.base.log_prob(value)
        return score

    def kl_each(self, p: Any) -> Tensor:
        """log q - log p of each element at the draw, (K, B, D), whose mean over draws is its share of the KL."""
        each: Tensor = self.base.log_prob_each(self.value) - p.log_prob_each(self.value)
        return each
