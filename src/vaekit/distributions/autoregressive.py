r"""Autoregressive: elements one after the other, each given those before it.

.. math:: \log p(x) = \sum_i \log p(x_i | x_{<i})
"""

from __future__ import annotations

__all__ = ["Autoregressive"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.maths import sum_event


class Autoregressive(Distribution):
    """Pictures whose pixels come row by row, the channels of a pixel together.

    Densities are exact and take one pass; a draw takes one for each pixel.

    Args:
        conditionals: from x (*batch, *event), or values that broadcast to it, to the distribution of each element given
            those before it, which x's later elements do not change.
        batch: the shape of the batch.
        like: (*event,) zeros, which tell the shape (H, W) or (C, H, W), the type and the device.
    """

    arg_constraints = {}

    def __init__(self, conditionals: Callable[[Tensor], Any], batch: torch.Size, like: Tensor) -> None:
        self.conditionals, self.like = conditionals, like
        super().__init__(batch, like.shape, validate_args=False)

    def log_prob_each(self, value: Tensor) -> Tensor:
        """The log-density of each element given those before it, (*batch, *event)."""
        each: Tensor = self.conditionals(value).log_prob_each(value)
        return each

    def log_prob(self, value: Tensor) -> Tensor:
        return sum_event(self.log_prob_each(value), self.like.ndim)

    def supports(self, value: Tensor) -> Tensor:
        """Which elements of value this distribution can have produced."""
        found: Tensor = self.conditionals(torch.nan_to_num(value)).supports(value)
        return found

    def _drawn(self) -> tuple[Tensor, Tensor]:
        """A draw, and the mean of each element given those that were drawn before it, (*batch, *event) each."""
        with torch.no_grad():
            x = self.like.expand(*self.batch_shape, *self.like.shape).clone()
            mean = x.clone()
            height, width = self.like.shape[-2:]
            for place in range(height * width):
                here = (..., place // width, place % width)
                p = self.conditionals(x)
                mean[here] = p.mean[here]
                x[here] = p.sample()[here]
        return x, mean

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        number = torch.Size(sample_shape).numel()
        draws = torch.stack([self._drawn()[0] for _ in range(number)])
        return draws.reshape(*sample_shape, *draws.shape[1:])

    @property
    def mean(self) -> Tensor:
        """An unbiased estimate by one draw: of each element the mean given what was drawn before it."""
        return self._drawn()[1]
