r"""Vectors of a codebook drawn by their distance, place by place.

.. math:: q(e_k) \propto \exp(-\|f - e_k\|^2 / 2 \sigma^2), \quad KL = N \log K - \sum_n H(q_n)
"""

from __future__ import annotations

__all__ = ["RelaxedCodes", "SoftCodes"]

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import register_kl

from vaekit.distributions.codes import Codes, UniformCodes
from vaekit.maths import straight_through


def squared_distances(encoded: Tensor, table: Tensor) -> Tensor:
    """From each of some vectors (*, D) to each of a table (K, D), (*, K)."""
    squares = encoded.square().sum(-1, keepdim=True) + table.square().sum(-1)
    return (squares - 2 * encoded @ table.T).clamp_min(0)


def gumbel(log_probs: Tensor, u: Tensor | None = None) -> Tensor:
    """Log-probabilities (*, K) with Gumbel noise, whose largest is a draw; u: numbers from [0, 1) to make it of."""
    u = torch.rand(log_probs.shape, dtype=log_probs.dtype, device=log_probs.device) if u is None else u
    return log_probs - (-u.clamp_min(torch.finfo(u.dtype).tiny).log()).log()


class SoftCodes(Codes):
    """At each of N places a vector of a codebook, the likelier the nearer (Takida et al. 2022, arXiv:2205.07547).

    Args:
        encoded: f, (*batch, N, D).
        table: the K vectors, (K, D).
        log_variance: log sigma^2, ().
        exact: vectors of the table (*, N, D) -> their indices (*, N).

    A value is the N vectors one after the other, (*batch, N * D); `quantized` and `indices` are the likeliest.
    `rsample` draws vectors of the table and passes the gradient of their mean, which is biased.

    Example:
        >>> table = torch.tensor([[0.0], [1.0]])
        >>> q = SoftCodes(torch.tensor([[[0.5]]]), table, torch.tensor(0.0), lambda x: x[..., 0].long())
        >>> q.log_prob(torch.tensor([[1.0]])).exp(), q.mean
        (tensor([0.5000]), tensor([[0.5000]]))
    """

    def __init__(self, encoded: Tensor, table: Tensor, log_variance: Tensor, exact: Callable[[Tensor], Tensor]) -> None:
        self.table, self.exact = table, exact
        self.strain_each = 0.5 * squared_distances(encoded, table) * (-log_variance).exp()
        self.log_probs = (-self.strain_each).log_softmax(-1)
        indices = self.log_probs.argmax(-1)
        super().__init__(encoded, table[indices], indices, len(table))

    @property
    def strain(self) -> Tensor:
        """The expectation of |f - e|^2 / 2 sigma^2, summed over places, (*batch)."""
        return (self.log_probs.exp() * self.strain_each).sum((-2, -1))

    @property
    def entropy_each(self) -> Tensor:
        """Of each place, (*batch, N), in nats."""
        return -(self.log_probs.exp() * self.log_probs).sum(-1)

    @property
    def mean(self) -> Tensor:
        return (self.log_probs.exp() @ self.table).flatten(-2)

    @property
    def mode(self) -> Tensor:
        return self.quantized.flatten(-2)

    @property
    def variance(self) -> Tensor:
        square = (self.log_probs.exp() @ self.table.square()).flatten(-2)
        return (square - self.mean.square()).clamp_min(0)

    def _noisy(self, sample_shape: tuple[int, ...]) -> Tensor:
        """log q with Gumbel noise, whose largest is a draw, (*sample_shape, *batch, N, K)."""
        return gumbel(self.log_probs.expand(*sample_shape, *self.log_probs.shape))

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return self.table[self._noisy(tuple(sample_shape)).argmax(-1)].flatten(-2)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        drawn = self.sample(sample_shape)
        return straight_through(drawn, self.mean.expand_as(drawn))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of vectors of the table, -inf for others."""
        vectors = value.unflatten(-1, self.encoded.shape[-2:])
        indices = self.exact(vectors)  # (*, N)
        other = (self.table[indices] != vectors).flatten(-2).any(-1)
        log_probs, indices = torch.broadcast_tensors(self.log_probs, indices.unsqueeze(-1))  # (*, N, K)
        return log_probs.gather(-1, indices[..., :1]).squeeze(-1).sum(-1).masked_fill(other, -torch.inf)


class RelaxedCodes(SoftCodes):
    """SoftCodes whose draws are mixtures of vectors (Maddison, Mnih and Teh 2017, arXiv:1611.00712).

    Args:
        encoded, table, log_variance, exact: as for `SoftCodes`.
        temperature: above 0; towards 0 the draws become vectors of the table.
    """

    def __init__(
        self,
        encoded: Tensor,
        table: Tensor,
        log_variance: Tensor,
        exact: Callable[[Tensor], Tensor],
        temperature: float,
    ) -> None:
        self.temperature = temperature
        super().__init__(encoded, table, log_variance, exact)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        share = (self._noisy(tuple(sample_shape)) / self.temperature).softmax(-1)
        return (share @ self.table).flatten(-2)


@register_kl(SoftCodes, UniformCodes)
def _kl_soft(q: SoftCodes, p: UniformCodes) -> Tensor:
    return p.information - q.entropy_each.sum(-1)
