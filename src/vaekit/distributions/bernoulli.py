r"""Bernoulli in its logits, its continuous namesake, and two differentiable stand-ins for latents.

.. math:: \log p(x) = x \ell - \operatorname{softplus}(\ell)
"""

from __future__ import annotations

__all__ = ["Bernoulli", "BinaryConcrete", "ContinuousBernoulli", "StraightThroughBernoulli"]

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import register_kl
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from vaekit.distributions.base import Factorised
from vaekit.maths import straight_through, sum_event


class Bernoulli(Factorised):
    """Independent 0/1 elements.

    Args:
        logits: (*batch, *event).
        event_dims: how many of the last axes are one event.

    Example:
        >>> Bernoulli(torch.zeros(4, 3)).log_prob(torch.tensor([1.0, 0.0, 1.0]))
        tensor([-2.0794, -2.0794, -2.0794, -2.0794])
    """

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        self.logits = logits
        super().__init__(logits, event_dims)

    @property
    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        """Draws; they carry no gradient here, as `has_rsample` says."""
        return self.sample(sample_shape)

    def log_prob_each(self, value: Tensor) -> Tensor:
        return -self._lost_each(value)

    def log_prob(self, value: Tensor) -> Tensor:
        return -sum_event(self._lost_each(value), self.event_dims)

    def _lost_each(self, value: Tensor) -> Tensor:
        """softplus(l) - x l, by torch's fused function."""
        logits = self.logits
        if logits.shape[-value.ndim :] == value.shape:
            value = value.expand_as(logits)
        else:
            logits, value = torch.broadcast_tensors(logits, value)
        if not torch.compiler.is_compiling() and torch._C._functorch.is_batchedtensor(logits):
            return _Lost.of(logits, value)  # vmap would take torch's function apart
        return binary_cross_entropy_with_logits(logits, value, reduction="none")

    def kl_each(self, p: Bernoulli) -> Tensor:
        """KL(self || p) of each element, (*batch, *event)."""
        return self.mean * (self.logits - p.logits) - softplus(self.logits) + softplus(p.logits)

    def supports(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1) | torch.isnan(value)

    def entropy(self) -> Tensor:
        """In nats, (*batch), exact."""
        return sum_event(softplus(self.logits) - self.mean * self.logits, self.event_dims)

    def antithetic(self, value: Tensor) -> Tensor:
        """A draw that goes with each draw given, as u < p goes with 1 - u < p for one uniform u.

        Each of the two is distributed as this distribution says, and they differ as often as they can.
        """
        with torch.no_grad():
            after_one = -torch.expm1(-self.logits.clamp_min(0))  # max(0, 2 p - 1) / p
            after_zero = self.logits.clamp_max(0).exp()  # min(p, 1 - p) / (1 - p)
            return torch.bernoulli(torch.where(value == 1, after_one, after_zero))

    def tempered(self, temperature: float) -> Bernoulli:
        """The same with its logits divided by the temperature."""
        return Bernoulli(self.logits / max(temperature, 1e-30), self.event_dims)


class _Lost(torch.autograd.Function):
    """torch's fused function of logits and values of one shape for stacked models: a third of the time."""

    @staticmethod
    def forward(logits: Tensor, value: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(logits, value, reduction="none")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> tuple[Tensor, Tensor | None]:
        logits, value = ctx.saved_tensors
        return up[0] * (logits.sigmoid() - value), -up[0] * logits if ctx.needs_input_grad[1] else None

    @staticmethod
    def vmap(info: Any, axes: tuple[int | None, int | None], *given: Tensor) -> tuple[Tensor, int]:
        stacks = [x.unsqueeze(0) if a is None else x.movedim(a, 0) for x, a in zip(given, axes, strict=True)]
        return _Lost.of(*torch.broadcast_tensors(*stacks)), 0

    @staticmethod
    def of(logits: Tensor, value: Tensor) -> Tensor:
        """What stands for the class's own untyped `apply`."""
        lost: Tensor = _Lost.apply(logits, value)  # type: ignore[no-untyped-call]
        return lost


class StraightThroughBernoulli(Bernoulli):
    """Bernoulli whose samples pass the gradient of their mean (Bengio et al. 2013, arXiv:1308.3432): biased."""

    has_rsample = True

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return straight_through(self.sample(sample_shape), self.mean.expand(*sample_shape, *self.logits.shape))


class BinaryConcrete(Bernoulli):
    """Bernoulli with relaxed samples in (0, 1) (Maddison, Mnih and Teh 2017, arXiv:1611.00712).

    `log_prob` is the density of the relaxed value, which `sample` draws; KL, mean and mode are the 0/1 variable's.

    Args:
        logits: (*batch, *event).
        temperature: above 0; towards 0 the samples become 0/1.
        event_dims: how many of the last axes are one event.
    """

    has_rsample = True

    def __init__(self, logits: Tensor, temperature: float | Tensor, event_dims: int = 1) -> None:
        self.temperature = temperature
        super().__init__(logits, event_dims)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        u = torch.rand((*sample_shape, *self.logits.shape), dtype=self.logits.dtype, device=self.logits.device)
        return ((self.logits + torch.logit(u, eps=1e-7)) / self.temperature).sigmoid()

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return Factorised.log_prob(self, value)  # the relaxed density, not the 0/1 variable's probability

    def log_prob_each(self, value: Tensor) -> Tensor:
        value = value.clamp(1e-7, 1 - 1e-7)
        t, level = torch.as_tensor(self.temperature, dtype=value.dtype), torch.logit(value)
        gap = self.logits - t * level
        return t.log() + gap - 2 * softplus(gap) - value.log() - torch.log1p(-value)


class ContinuousBernoulli(Factorised):
    """The density on [0, 1] with Bernoulli's shape (Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845).

    In the logits l its log normaliser is log(l / tanh(l / 2)).

    Args:
        logits: (*batch, *event).
        event_dims: how many of the last axes are one event.

    Example:
        >>> ContinuousBernoulli(torch.zeros(1, 2)).log_prob(torch.tensor([0.3, 0.9]))
        tensor([0.])
    """

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        self.logits = logits
        super().__init__(logits, event_dims)

    def _safe(self) -> tuple[Tensor, Tensor]:
        """Whether |l| is too small for the formulas, and l with those replaced."""
        small = self.logits.abs() < 1e-2
        return small, torch.where(small, torch.ones_like(self.logits), self.logits)

    def log_normaliser_each(self) -> Tensor:
        small, safe = self._safe()
        series = math.log(2.0) + self.logits.square() / 12  # the next term is l^4 / 1440 * 7: below 1e-10
        return torch.where(small, series, (safe / torch.tanh(safe / 2)).log())

    @property
    def mean(self) -> Tensor:
        small, safe = self._safe()
        return torch.where(small, 0.5 + self.logits / 12, 0.5 + 0.5 / torch.tanh(safe / 2) - 1 / safe)

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            small, safe = self._safe()
            u = torch.rand((*sample_shape, *self.logits.shape), dtype=self.logits.dtype, device=self.logits.device)
            a = safe.abs()  # the inverse of the distribution function for l > 0; for l < 0 by symmetry
            x = 1 + torch.logaddexp(u.log(), torch.log1p(-u) - a) / a
            return torch.where(small, u, torch.where(safe > 0, x, 1 - x)).clamp(0, 1)

    def log_prob_each(self, value: Tensor) -> Tensor:
        return value * self.logits + logsigmoid(-self.logits) + self.log_normaliser_each()

    def supports(self, value: Tensor) -> Tensor:
        return ((value >= 0) & (value <= 1)) | torch.isnan(value)


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli(q: Bernoulli, p: Bernoulli) -> Tensor:
    return sum_event(q.kl_each(p), q.event_dims)
