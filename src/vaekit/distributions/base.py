"""Factorised: a distribution whose log-density is a sum over the elements of its event; Located: one with a middle."""

from __future__ import annotations

__all__ = ["Factorised", "Located", "frozen"]

import copy

import torch
from torch import Tensor
from torch.distributions import Distribution, TransformedDistribution

from vaekit.maths import sum_event
from vaekit.messages import Mistake


class Factorised(Distribution):
    """The base of our elementwise distributions.

    Args:
        parameter: a tensor of the full shape (*batch, *event).
        event_dims: how many of the last axes are one event.
    """

    arg_constraints = {}

    def __init__(self, parameter: Tensor, event_dims: int) -> None:
        self.event_dims = event_dims
        cut = parameter.ndim - event_dims
        super().__init__(parameter.shape[:cut], parameter.shape[cut:], validate_args=False)

    def log_prob_each(self, value: Tensor) -> Tensor:
        """The log-density of each element, (*batch, *event), in nats."""
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density, (*batch), in nats, summed over the event."""
        return sum_event(self.log_prob_each(value), self.event_dims)

    def log_prob_observed(self, value: Tensor) -> Tensor:
        """The log-density of the elements that are there: NaN is missing and counts 0.

        The value is filled before and masked after, so that gradients stay finite.
        """
        missing = torch.isnan(value)
        each = self.log_prob_each(torch.where(missing, torch.zeros_like(value), value))
        return sum_event(torch.where(missing, torch.zeros_like(each), each), self.event_dims)

    def supports(self, value: Tensor) -> Tensor:
        """Which elements of value this distribution can have produced (NaN counts as yes)."""
        return torch.ones_like(value, dtype=torch.bool)


class Located(Factorised):
    """The base of those whose mean and mode are the `loc` that they are made with; `rsample` is by `from_noise`."""

    loc: Tensor  # (*batch, *event)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    def noise(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal noise for `from_noise`, (*shape, *batch, *event)."""
        return torch.randn((*shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that this noise makes; noise broadcasts, so that rows may share it."""
        raise NotImplementedError

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self.from_noise(self.noise(tuple(sample_shape)))


def frozen(q: Distribution) -> Distribution:
    """The same distribution with parameters that carry no gradient: its score moves a sample and nothing else.

    Example:
        >>> from vaekit.distributions import DiagonalGaussian
        >>> loc = torch.zeros(3, requires_grad=True)
        >>> frozen(DiagonalGaussian(loc, loc)).log_prob(torch.ones(3)).requires_grad
        False
    """
    if isinstance(q, TransformedDistribution):
        raise Mistake(f"{type(q).__name__} holds parameters in its transforms: give a posterior such as Gaussian.")
    if hasattr(q, "frozen"):
        own: Distribution = q.frozen()
        return own
    found = copy.copy(q)
    for name, value in vars(q).items():
        if isinstance(value, Tensor):
            vars(found)[name] = value.detach()
        elif isinstance(value, Distribution):
            vars(found)[name] = frozen(value)
        elif isinstance(value, tuple) and any(isinstance(part, Distribution) for part in value):
            vars(found)[name] = tuple(map(frozen, value))
    return found
