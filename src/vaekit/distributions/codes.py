r"""Vectors of a codebook: all probability on one at each place, and equal probability on all.

.. math:: KL = N \log K
"""

from __future__ import annotations

__all__ = ["Codes", "UniformCodes"]

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.maths import straight_through

COUNTED = 2**20  # codes of which each is counted; of more, those that are there are sorted


class Codes(Distribution):
    """All probability on one vector of a codebook at each of N places: what a quantised encoder gives.

    Args:
        encoded: (*batch, N, D), the encoder's output.
        quantized: (*batch, N, D), the vectors that stand for it.
        indices: (*batch, N), their numbers; (*batch, N, L) where each place has L of them.
        size: how many values an index has.
        transport: (quantized, encoded) -> the value of the first with a gradient to the second; straight through where
            nothing is given (Bengio et al. 2013, arXiv:1308.3432).
        stages: what stands for `encoded` after each of the L indices, where there are several.

    A value is the N vectors one after the other, (*batch, N * D).

    Example:
        >>> q = Codes(torch.zeros(5, 3, 2), torch.ones(5, 3, 2), torch.zeros(5, 3, dtype=torch.long), 4)
        >>> q.rsample((2,)).shape, q.log_prob(q.mean)
        (torch.Size([2, 5, 6]), tensor([0., 0., 0., 0., 0.]))
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(
        self,
        encoded: Tensor,
        quantized: Tensor,
        indices: Tensor,
        size: int,
        *,
        transport: Callable[[Tensor, Tensor], Tensor] = straight_through,
        stages: Sequence[Tensor] | None = None,
    ) -> None:
        self.encoded, self.quantized, self.indices, self.size = encoded, quantized, indices, size
        self.transport, self.stages = transport, tuple(stages) if stages is not None else (quantized,)
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
        z = self.transport(self.quantized, self.encoded).flatten(-2)
        return z.expand(*sample_shape, *z.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 for the codes' own vectors, -inf for all others."""
        other = (value != self.mean).any(-1)
        return value.new_zeros(other.shape).masked_fill(other, -torch.inf)

    def diagnostics(self) -> dict[str, Tensor]:
        """The perplexity of the codes in use in this batch: as many as would be if all were used alike.

        Of several indices a place the mean of theirs.
        """
        codes = self.indices.reshape(self.quantized[..., 0].numel(), -1)  # (M, L)
        if codes.shape[1] * self.size > COUNTED:
            line = codes.mT.contiguous().sort(-1).values  # (L, M)
            same = torch.searchsorted(line, line, right=True) - torch.searchsorted(line, line)
            return {"perplexity": (-(same / len(codes)).log().mean(1)).exp().mean()}
        used = torch.zeros(codes.shape[1] * self.size, device=codes.device)
        codes = codes + self.size * torch.arange(codes.shape[1], device=codes.device)
        used.index_add_(0, codes.flatten(), used.new_ones(codes.numel()))
        share = used.view(-1, self.size) / len(codes)
        return {"perplexity": torch.special.entr(share).sum(1).exp().mean()}


class UniformCodes(Distribution):
    """Each of N places holds one of K vectors with probability 1 / K, independently.

    Args:
        places: N.
        size: K.
        lookup: indices (..., N, *shape) -> vectors (..., N, D).
        width: D.
        member: vectors (..., N, D) -> whether each is in the codebook, (..., N).
        shape: of the indices of one place; a place with L of them, (L,), costs L log K.
    """

    arg_constraints = {}

    def __init__(
        self,
        places: int,
        size: int,
        lookup: Callable[[Tensor], Tensor],
        width: int,
        member: Callable[[Tensor], Tensor],
        shape: tuple[int, ...] = (),
    ) -> None:
        self.places, self.size, self.lookup, self.width, self.member = places, size, lookup, width, member
        self.indices_shape = (places, *shape)
        super().__init__(torch.Size(), torch.Size((places * width,)), validate_args=False)

    @property
    def information(self) -> float:
        """What one item's codes cost, N log K nats of N indices."""
        return math.prod(self.indices_shape) * math.log(self.size)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        indices = torch.randint(self.size, (*sample_shape, *self.indices_shape))
        return self.lookup(indices).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """-N log K for vectors of the codebook, -inf for all others."""
        inside = self.member(value.unflatten(-1, (self.places, self.width))).all(-1)
        return value.new_full(inside.shape, -self.information).masked_fill(~inside, -torch.inf)


@register_kl(Codes, UniformCodes)
def _kl_codes(q: Codes, p: UniformCodes) -> Tensor:
    return q.quantized.new_full(q.batch_shape, p.information)
