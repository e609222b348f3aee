r"""Vectors of a codebook: all probability on one at each place, and equal probability on all.

.. math:: KL = N \log K
"""

from __future__ import annotations

__all__ = ["Codes", "UniformCodes"]

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.maths import straight_through


class Codes(Distribution):
    """All probability on one vector of a codebook at each of N places: what a quantised encoder gives.

    Args:
        encoded: (*batch, N, D), the encoder's output.
        quantized: (*batch, N, D), the vectors that stand for it.
        indices: (*batch, N), their numbers.
        size: how many vectors there are.

    A value is the N vectors one after the other, (*batch, N * D). `rsample` passes its gradient straight through to
    `encoded` (Bengio et al. 2013, arXiv:1308.3432).

    Example:
        >>> q = Codes(torch.zeros(5, 3, 2), torch.ones(5, 3, 2), torch.zeros(5, 3, dtype=torch.long), 4)
        >>> q.rsample((2,)).shape, q.log_prob(q.mean)
        (torch.Size([2, 5, 6]), tensor([0., 0., 0., 0., 0.]))
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, encoded: Tensor, quantized: Tensor, indices: Tensor, size: int) -> None:
        self.encoded, self.quantized, self.indices, self.size = encoded, quantized, indices, size
        *batch, places, width = quantized.shape
        super().__init__(torch.Size(batch), torch.Size((places * width,)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.quantized.flatten(-2)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.mean)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        z = straight_through(self.quantized, self.encoded).flatten(-2)
        return z.expand(*sample_shape, *z.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 for the codes' own vectors, -inf for all others."""
        other = (value != self.mean).any(-1)
        return value.new_zeros(other.shape).masked_fill(other, -torch.inf)

    def diagnostics(self) -> dict[str, Tensor]:
        """The perplexity of the codes in use in this batch: as many as would be if all were used alike."""
        used = torch.zeros(self.size, device=self.indices.device)
        used.index_add_(0, self.indices.flatten(), used.new_ones(self.indices.numel()))
        share = used / self.indices.numel()
        return {"perplexity": torch.special.entr(share).sum().exp()}


class UniformCodes(Distribution):
    """Each of N places holds one of K vectors with probability 1 / K, independently.

    Args:
        places: N.
        size: K.
        lookup: indices (..., N) -> vectors (..., N, D).
        width: D.
        member: vectors (..., N, D) -> whether each is in the codebook, (..., N).
    """

    arg_constraints = {}

    def __init__(
        self,
        places: int,
        size: int,
        lookup: Callable[[Tensor], Tensor],
        width: int,
        member: Callable[[Tensor], Tensor],
    ) -> None:
        self.places, self.size, self.lookup, self.width, self.member = places, size, lookup, width, member
        super().__init__(torch.Size(), torch.Size((places * width,)), validate_args=False)

    @property
    def information(self) -> float:
        """What one item's codes cost, N log K nats."""
        return self.places * math.log(self.size)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        indices = torch.randint(self.size, (*sample_shape, self.places))
        return self.lookup(indices).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """-N log K for vectors of the codebook, -inf for all others."""
        inside = self.member(value.unflatten(-1, (self.places, self.width))).all(-1)
        return value.new_full(inside.shape, -self.information).masked_fill(~inside, -torch.inf)


@register_kl(Codes, UniformCodes)
def _kl_codes(q: Codes, p: UniformCodes) -> Tensor:
    return q.quantized.new_full(q.batch_shape, p.information)
