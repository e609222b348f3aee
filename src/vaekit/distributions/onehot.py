r"""Categories as one-hot vectors: exact, relaxed, and hard with the relaxed gradient.

.. math:: z = \mathrm{softmax}((\ell + g) / \tau), \quad g_k = -\log(-\log u_k)
"""

from __future__ import annotations

__all__ = ["OneHot", "RelaxedOneHot", "StraightThroughOneHot"]

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.maths import straight_through


class OneHot(Distribution):
    """N independent variables with K values each, written as N one-hot vectors one after the other.

    Args:
        logits: (*batch, N, K).

    A value is (*batch, N * K). Its log-probability is linear in it: values between one-hot vectors have one too.

    Example:
        >>> OneHot(torch.zeros(5, 2, 4)).log_prob(torch.tensor([1.0, 0, 0, 0, 0, 0, 1, 0]))
        tensor([-2.7726, -2.7726, -2.7726, -2.7726, -2.7726])
    """

    arg_constraints = {}

    def __init__(self, logits: Tensor) -> None:
        self.log_probs = logits.log_softmax(-1)
        *batch, variables, levels = logits.shape
        self.variables, self.levels = variables, levels
        super().__init__(torch.Size(batch), torch.Size((variables * levels,)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.log_probs.exp().flatten(-2)

    @property
    def mode(self) -> Tensor:
        return _hard(self.log_probs).flatten(-2)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def entropy(self) -> Tensor:
        """In nats, (*batch), exact."""
        return -(self.log_probs.exp() * self.log_probs).sum((-2, -1))

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return _hard(self.perturbed(sample_shape)).flatten(-2)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        """Draws; they carry no gradient here, as `has_rsample` says."""
        return self.sample(sample_shape)

    def perturbed(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """log-probabilities with Gumbel noise, whose largest is a draw, (*sample, *batch, N, K)."""
        like = self.log_probs
        u = torch.rand((*sample_shape, *like.shape), dtype=like.dtype, device=like.device)
        tiny = torch.finfo(like.dtype).tiny
        return like - (-u.clamp_min(tiny).log()).clamp_min(tiny).log()

    def log_prob(self, value: Tensor) -> Tensor:
        return (value.unflatten(-1, (self.variables, self.levels)) * self.log_probs).sum((-2, -1))

    def supports(self, value: Tensor) -> Tensor:
        """Which elements of value belong to one-hot vectors."""
        parts = value.unflatten(-1, (self.variables, self.levels))
        whole = ((parts == 0) | (parts == 1)).all(-1, keepdim=True) & (parts.sum(-1, keepdim=True) == 1)
        return whole.expand_as(parts).flatten(-2)

    def tempered(self, temperature: float) -> OneHot:
        """The same with its logits divided by the temperature."""
        return OneHot(self.log_probs / max(temperature, 1e-30))


class RelaxedOneHot(OneHot):
    """OneHot with relaxed samples (Jang, Gu and Poole 2017, arXiv:1611.01144; Maddison et al. 2017, arXiv:1611.00712).

    `log_prob` is the density of the relaxed values, which `sample` draws; KL, entropy, mean and mode are the
    categories'.

    Args:
        logits: (*batch, N, K).
        temperature: above 0; towards 0 the samples become one-hot.
    """

    has_rsample = True

    def __init__(self, logits: Tensor, temperature: float | Tensor) -> None:
        self.temperature = temperature
        super().__init__(logits)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return (self.perturbed(sample_shape) / self.temperature).softmax(-1).flatten(-2)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The density on the N simplices."""
        t = torch.as_tensor(self.temperature, dtype=value.dtype, device=value.device)
        log_z = value.unflatten(-1, (self.variables, self.levels)).clamp_min(torch.finfo(value.dtype).tiny).log()
        level = self.log_probs - t * log_z
        each = (level - log_z).sum(-1) - self.levels * level.logsumexp(-1)  # (*batch, N)
        constant = math.lgamma(self.levels) + (self.levels - 1) * t.log()
        return each.sum(-1) + self.variables * constant


class StraightThroughOneHot(RelaxedOneHot):
    """OneHot whose samples are one-hot and pass the relaxed samples' gradient (Jang, Gu and Poole 2017): biased."""

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        soft = super().rsample(sample_shape)
        return straight_through(_hard(soft.unflatten(-1, (self.variables, self.levels))).flatten(-2), soft)

    def log_prob(self, value: Tensor) -> Tensor:
        return OneHot.log_prob(self, value)


def _hard(scores: Tensor) -> Tensor:
    """One-hot vectors of the largest along the last axis."""
    return torch.zeros_like(scores).scatter(-1, scores.argmax(-1, keepdim=True), 1.0)


@register_kl(OneHot, OneHot)
def _kl_one_hot(q: OneHot, p: OneHot) -> Tensor:
    return (q.log_probs.exp() * (q.log_probs - p.log_probs)).sum((-2, -1))
