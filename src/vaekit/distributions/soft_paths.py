r"""Paths of codes drawn level by level, each by its distance to what the levels before it left.

.. math:: q(i_l | i_{<l}) \propto \exp(-\|f - \textstyle\sum_{m < l} e_m(i_m) - e_l(i_l)\|^2 / 2 \sigma_l^2)
"""

from __future__ import annotations

__all__ = ["RelaxedPaths", "SoftPaths"]

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.distributions.codes import Codes, UniformCodes
from vaekit.distributions.soft_codes import gumbel, squared_distances
from vaekit.maths import straight_through

DRAWS, SEED = 16, 20220307  # of moments, whose noise all items share


class SoftPaths(Codes):
    """At each of N places one vector of each of L codebooks, drawn in turn (Hosking et al. 2022, arXiv:2203.03463).

    Args:
        encoded: f, (*batch, N, D).
        tables: the K vectors of each level, (L, K, D).
        log_variance: log sigma^2 of each level, (L,).
        exact: vectors (*, L, D), each in its level's table -> their indices (*, L).

    A value is the L vectors of the first place one after the other, then those of the next, (*batch, N * L * D).
    `quantized`, `indices` (*batch, N, L) and the mode are the path that takes the likeliest code at each level, which
    another path may beat. Mean and variance have no formula: they are taken over draws of all levels but the last,
    with noise that is the same for all items. `rsample` draws vectors of the tables and passes the gradient of each
    level's mean, which is biased.

    Example:
        >>> tables = torch.tensor([[[0.0], [1.0]], [[0.0], [0.5]]])
        >>> exact = lambda x: (x[..., 0] > 0).long()
        >>> q = SoftPaths(torch.tensor([[[0.5]]]), tables, torch.tensor([0.5, 0.5]).log(), exact)
        >>> q.log_prob(torch.tensor([[0.0, 0.5]])).exp()  # 1/2 for the first, 1 / (1 + exp(-1/4)) for the second
        tensor([0.2811])
    """

    def __init__(
        self, encoded: Tensor, tables: Tensor, log_variance: Tensor, exact: Callable[[Tensor], Tensor]
    ) -> None:
        self.tables, self.exact = tables, exact
        self.half_precision = 0.5 * (-log_variance).exp()
        levels, size, _ = tables.shape
        self.parts_shape = (encoded.shape[-2], levels, encoded.shape[-1])
        likeliest: list[Tensor] = []

        def choose(log_probs: Tensor, table: Tensor) -> Tensor:
            likeliest.append(log_probs.argmax(-1))
            return table[likeliest[-1]]

        with torch.no_grad():
            vectors = self._walk(encoded, choose)
        super().__init__(encoded, vectors.flatten(-2), torch.stack(likeliest, -1), size)

    def _walk(self, left: Tensor, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The vectors of all levels, (*, N, L, D); choose: log q of a level (*, N, K) and its table -> (*, N, D)."""
        found = []
        for table, scale in zip(self.tables, self.half_precision, strict=True):
            found.append(choose((-scale * squared_distances(left, table)).log_softmax(-1), table))
            left = left - found[-1]
        return torch.stack(found, -2)

    def _level(self, value: Tensor) -> list[Tensor]:
        """log q of each level's codes given those before it in a value, (*, N, K) each."""
        found: list[Tensor] = []
        chosen = iter(value.unflatten(-1, self.parts_shape).unbind(-2))

        def choose(log_probs: Tensor, table: Tensor) -> Tensor:
            found.append(log_probs)
            return next(chosen)

        batch = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        self._walk(self.encoded.expand(*batch, *self.encoded.shape[-2:]), choose)
        return found

    def _drawn(self, sample_shape: tuple[int, ...], choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        left = self.encoded.expand(*sample_shape, *self.encoded.shape)
        return self._walk(left, choose).flatten(-3)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return SoftPaths.rsample(self, sample_shape)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        def choose(log_probs: Tensor, table: Tensor) -> Tensor:
            return straight_through(table[gumbel(log_probs).argmax(-1)], log_probs.exp() @ table)

        return self._drawn(tuple(sample_shape), choose)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of paths of vectors of the tables, -inf for others."""
        parts = value.unflatten(-1, self.parts_shape)
        indices = self.exact(parts)  # (*, N, L)
        levels = torch.arange(len(self.tables), device=indices.device)
        other = (self.tables[levels, indices] != parts).flatten(-3).any(-1)
        total = torch.zeros((), dtype=value.dtype, device=value.device)
        for log_probs, chosen in zip(self._level(value), indices.unbind(-1), strict=True):
            total = total + log_probs.gather(-1, chosen.expand(log_probs.shape[:-1]).unsqueeze(-1)).squeeze(-1).sum(-1)
        return total.masked_fill(other, -torch.inf)

    def kl_along(self, p: Distribution, value: Tensor) -> Tensor:
        """Each level's KL given the levels before it in a value of mixtures or of codes, summed over levels and places.

        Its mean over draws of codes is the KL from q to p, with less noise than log q - log p. Of a path that ends
        early the KL is that of the levels that it has, where all codes are equally likely.
        """
        negative = torch.stack([(log_q.exp() * log_q).sum(-1) for log_q in self._level(value)], -1)  # (*, N, L)
        if not isinstance(p, UniformCodes):
            return negative.sum((-2, -1)) - p.log_prob(value)
        there = (value.unflatten(-1, self.parts_shape) != 0).any(-1)
        return ((negative + math.log(self.size)) * there).sum((-2, -1))

    def _moment(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """E of a function of each level's vectors: exact in the level given those before it, by draws in those."""
        generator = torch.Generator().manual_seed(SEED)
        places, levels, _ = self.parts_shape
        found: list[Tensor] = []

        def choose(log_probs: Tensor, table: Tensor) -> Tensor:
            found.append((log_probs.exp() @ of(table)).mean(0))
            noise = torch.rand((DRAWS, *[1] * len(self.batch_shape), places, self.size), generator=generator)
            return table[gumbel(log_probs, noise.to(log_probs)).argmax(-1)]

        self._drawn((DRAWS,), choose)
        return torch.stack(found, -2).flatten(-3)

    @property
    def mean(self) -> Tensor:
        return self._moment(lambda table: table)

    @property
    def mode(self) -> Tensor:
        return self.quantized.flatten(-2)

    @property
    def variance(self) -> Tensor:
        return (self._moment(torch.square) - self.mean.square()).clamp_min(0)


class RelaxedPaths(SoftPaths):
    """SoftPaths whose draws are mixtures of vectors, which the next level refines (Gumbel-softmax).

    A draw may end before any level, for all places alike: from there on its vectors are zero and `kl_along` takes no
    KL. The bound of such a draw is that of the model with so many levels; in the mean, that over where paths end.

    Args:
        encoded, tables, log_variance, exact: as for `SoftPaths`.
        temperature: above 0; towards 0 the draws become vectors of the tables.
        dropout: the chance that a path ends before a level that it would reach.
    """

    def __init__(
        self,
        encoded: Tensor,
        tables: Tensor,
        log_variance: Tensor,
        exact: Callable[[Tensor], Tensor],
        temperature: float,
        dropout: float = 0.0,
    ) -> None:
        self.temperature, self.dropout = temperature, dropout
        super().__init__(encoded, tables, log_variance, exact)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        def choose(log_probs: Tensor, table: Tensor) -> Tensor:
            return (gumbel(log_probs) / self.temperature).softmax(-1) @ table

        z = self._drawn(tuple(sample_shape), choose)
        if not self.dropout:
            return z
        places, levels, width = self.parts_shape
        u = torch.rand((*z.shape[:-1], 1, levels, 1), dtype=z.dtype, device=z.device)
        there = (u >= self.dropout).to(z.dtype).cumprod(-2)
        return (z.unflatten(-1, (places, levels, width)) * there).flatten(-3)


@register_kl(SoftPaths, UniformCodes)
def _by_draws(q: SoftPaths, p: Any) -> Tensor:
    raise NotImplementedError  # it needs all paths: `kl_along` gives it at a draw
