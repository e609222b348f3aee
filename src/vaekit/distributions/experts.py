r"""What several experts make of each item: a Gaussian that pools them, and mixtures drawn from in equal shares.

.. math:: q(z|x) = \tfrac{1}{|S|} \sum_{s \in S} N(z; \mu_s, \sigma_s^2)
"""

from __future__ import annotations

__all__ = ["EqualMixture", "PooledGaussian", "PooledMixture"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.gaussian import DiagonalGaussian


class PooledGaussian(DiagonalGaussian):
    """A Gaussian that remembers the experts it was made of.

    Args:
        loc, log_scale: (B, D).
        each: the experts, one distribution of batch (B, M) or M of batch (B,).
        seen: (B, M), which of them counted.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, each: Any, seen: Tensor) -> None:
        super().__init__(loc, log_scale)
        self.each, self.seen = each, seen


class EqualMixture(Distribution):
    """Gaussians with equal weight, some of which an item may lack.

    K draws are stratified: they come one part after the other, an equal number of each where K is a multiple of the
    parts (else to within one), beginning at a part that is drawn by chance; each single draw has this density, and a
    mean over all of them has less noise than of independent ones.

    Args:
        parts: batch (B, S), event (D,).
        there: (B, S), which parts an item has; one at least.

    Example:
        >>> parts = DiagonalGaussian(torch.tensor([[[-9.0], [9.0]]]), torch.zeros(1, 2, 1))
        >>> q = EqualMixture(parts, torch.tensor([[True, True]]))
        >>> q.mean, q.rsample((4,)).sign().sum()
        (tensor([[0.]]), tensor(0.))
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, parts: DiagonalGaussian, there: Tensor) -> None:
        self.parts, self.there = parts, there
        super().__init__(parts.batch_shape[:-1], parts.event_shape, validate_args=False)

    def _mean_of(self, each: Tensor) -> Tensor:
        """(B, S, D) -> (B, D), over the parts that are there."""
        there = self.there.unsqueeze(-1)
        return torch.where(there, each, 0.0).sum(-2) / there.sum(-2)

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each part, (B, S, D)."""
        return self.parts.loc, self.parts.variance

    def _scores(self, value: Tensor) -> Tensor:
        """log p of each part, (*leading, B, S)."""
        return self.parts.log_prob(value.unsqueeze(-2))

    @property
    def mean(self) -> Tensor:
        return self._mean_of(self._moments()[0])

    @property
    def variance(self) -> Tensor:
        mean, variance = self._moments()
        return self._mean_of(variance + (mean - self._mean_of(mean).unsqueeze(-2)).square())

    def strata(self, k: int) -> Tensor:
        """The parts that k draws come from, (k, B)."""
        count = self.there.sum(-1)  # (B,)
        first = torch.rand(1, len(count), device=count.device)  # one number an item, whatever the draws
        rank = torch.arange(k, device=count.device).unsqueeze(1) * count // k + (first * count).long()
        order = (~self.there).to(torch.uint8).sort(dim=-1, stable=True).indices  # (B, S), those that are there first
        return order.T.gather(0, rank % count)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = torch.Size(sample_shape)
        index = self.strata(max(shape.numel(), 1))  # (K, B)
        pick = index.T.unsqueeze(-1).expand(*index.T.shape, *self.event_shape)  # (B, K, D)
        loc, scale = self.parts.loc.gather(1, pick), self.parts.scale.expand_as(self.parts.loc).gather(1, pick)
        loc, scale = loc.transpose(0, 1), scale.transpose(0, 1)  # (K, B, D)
        z = torch.addcmul(loc, scale, torch.randn(loc.shape, dtype=loc.dtype, device=loc.device))
        return z.reshape(*shape, *self.batch_shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        each = self._scores(value)
        return each.masked_fill(~self.there, -torch.inf).logsumexp(-1) - self.there.sum(-1).to(each).log()


class PooledMixture(EqualMixture):
    """Distributions of any kind with equal weight, some of which an item may lack; it remembers experts, too.

    Draws ask the device which parts some item has, so that they are for evaluation and not for a training step.

    Args:
        parts: S distributions, batch (B,), event (D,).
        there: (B, S), which parts an item has; one at least.
        each: M experts, batch (B,).
        seen: (B, M), which of them saw something.

    Example:
        >>> narrow, wide = (DiagonalGaussian(torch.zeros(2, 1), torch.full((2, 1), s)) for s in (0.0, 9.0))
        >>> q = PooledMixture([narrow, wide], torch.tensor([[True, False], [True, True]]), [], torch.zeros(2, 0))
        >>> torch.equal(q.log_prob(torch.zeros(2, 1))[:1], narrow.log_prob(torch.zeros(2, 1))[:1])
        True
    """

    def __init__(
        self, parts: Sequence[Distribution], there: Tensor, each: Sequence[Distribution], seen: Tensor
    ) -> None:
        self.parts: Any = tuple(parts)
        self.there, self.each, self.seen = there, tuple(each), seen
        Distribution.__init__(self, parts[0].batch_shape, parts[0].event_shape, validate_args=False)

    def _moments(self) -> tuple[Tensor, Tensor]:
        return torch.stack([p.mean for p in self.parts], -2), torch.stack([p.variance for p in self.parts], -2)

    def _scores(self, value: Tensor) -> Tensor:
        return torch.stack([part.log_prob(value) for part in self.parts], -1)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = torch.Size(sample_shape)
        index = self.strata(max(shape.numel(), 1))  # (K, B)
        some = self.there.any(0)  # draws of a flow may take many passes: none of a part that no item has
        drawn = [part.rsample((len(index),)) for part, had in zip(self.parts, some.tolist(), strict=True) if had]
        each = torch.stack(drawn, -2)  # (K, B, S, D), of the S that are drawn from
        index = (some.cumsum(0) - 1)[index]
        pick = index.view(*index.shape, 1, 1).expand(*index.shape, 1, each.shape[-1])
        return each.gather(-2, pick).squeeze(-2).reshape(*shape, *self.batch_shape, *self.event_shape)
