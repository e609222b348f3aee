r"""Distributions over integer levels: the discretised logistic for ordered ones, the categorical for names.

.. math:: P(x) = \sigma((x + \tfrac12 - \mu)/s) - \sigma((x - \tfrac12 - \mu)/s), \text{ the ends open}
"""

from __future__ import annotations

__all__ = ["Categorical", "DiscretizedLogistic"]

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from vaekit.distributions.base import Factorised


class DiscretizedLogistic(Factorised):
    """Logistic noise rounded to levels spaced evenly over [-1, 1] (Kingma et al. 2016, arXiv:1606.04934).

    Args:
        loc: (*batch, *event), in [-1, 1] where the levels are.
        log_scale: broadcastable to loc.
        levels: how many values there are (256 for 8-bit pixels).
        event_dims: how many of the last axes are one event.

    Example:
        >>> p = DiscretizedLogistic(torch.zeros(1), torch.zeros(1), levels=256, event_dims=1)
        >>> each = p.log_prob(torch.linspace(-1, 1, 256).unsqueeze(-1))
        >>> each.exp().sum()  # sums to one over the levels
        tensor(1.0000)
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, levels: int = 256, event_dims: int = 1) -> None:
        self.loc, self.log_scale, self.levels = loc, log_scale, levels
        super().__init__(loc, event_dims)

    @property
    def mean(self) -> Tensor:
        """To within half a level: -1 plus the integral over [-1, 1] of the probability of lying above."""
        scale = self.log_scale.exp()
        return scale * (softplus((self.loc + 1) / scale) - softplus((self.loc - 1) / scale)) - 1

    @property
    def mode(self) -> Tensor:
        """The level nearest to loc, or the end that gathers more than it."""
        near = self._round(self.loc)
        levels = torch.stack([near, torch.full_like(near, -1.0), torch.ones_like(near)])  # (3, *batch, *event)
        return levels.gather(0, self.log_prob_each(levels).argmax(0, keepdim=True)).squeeze(0)

    def _round(self, value: Tensor) -> Tensor:
        step = 2 / (self.levels - 1)
        return (((value + 1) / step).round().clamp(0, self.levels - 1) * step) - 1

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            u = torch.rand((*sample_shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)
            return self._round(self.loc + self.log_scale.exp() * torch.logit(u, eps=1e-7))

    def log_prob_each(self, value: Tensor) -> Tensor:
        half = 1 / (self.levels - 1)
        inverse = (-self.log_scale).exp()
        upper = (value + half - self.loc) * inverse
        lower = (value - half - self.loc) * inverse
        # log(sigmoid(u) - sigmoid(l)) = log(1 - e^-(u-l)) - softplus(-u) - softplus(l), exact for any tail
        inside = torch.log(-torch.expm1(lower - upper)) - softplus(-upper) - softplus(lower)
        inside = torch.where(value > 1 - half, logsigmoid(-lower), inside)
        return torch.where(value < -1 + half, logsigmoid(upper), inside)

    def supports(self, value: Tensor) -> Tensor:
        return torch.isnan(value) | ((value - self._round(value)).abs() < 1e-3 / self.levels)


class Categorical(Factorised):
    """Independent named levels, 0 to levels - 1.

    Args:
        logits: (*batch, levels, *event).
        event_dims: how many of the last axes are one event.

    Example:
        >>> Categorical(torch.zeros(5, 4, 2)).log_prob(torch.tensor([0.0, 3.0]))
        tensor([-2.7726, -2.7726, -2.7726, -2.7726, -2.7726])
    """

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        self.axis = logits.ndim - event_dims - 1
        self.log_probs = logits.log_softmax(self.axis)
        super().__init__(logits.select(self.axis, 0), event_dims)

    @property
    def probs(self) -> Tensor:
        return self.log_probs.exp()

    @property
    def mode(self) -> Tensor:
        return self.log_probs.argmax(self.axis).to(self.log_probs.dtype)

    @property
    def mean(self) -> Tensor:
        """The most probable level: names have no mean."""
        return self.mode

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            probs = self.probs.movedim(self.axis, -1)  # (*batch, *event, levels)
            probs = probs.expand(*sample_shape, *probs.shape)
            return torch.distributions.Categorical(probs=probs, validate_args=False).sample().to(self.log_probs.dtype)

    def log_prob_each(self, value: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(value.shape, (*self.batch_shape, *self.event_shape))
        index = value.expand(shape).long().unsqueeze(-self.event_dims - 1)
        table = self.log_probs.expand(*shape[: len(shape) - self.event_dims], *self.log_probs.shape[self.axis :])
        return table.gather(-self.event_dims - 1, index).squeeze(-self.event_dims - 1)

    def supports(self, value: Tensor) -> Tensor:
        levels = self.log_probs.shape[self.axis]
        return torch.isnan(value) | ((value == value.round()) & (value >= 0) & (value < levels))
