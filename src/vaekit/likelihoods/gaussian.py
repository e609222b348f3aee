"""The Gaussian likelihood, its scale a part of its own."""

from __future__ import annotations

__all__ = ["Gaussian"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.likelihoods.base import Likelihood
from vaekit.likelihoods.scales import FixedScale, LearnedScale, OptimalScale, Scale
from vaekit.maths import mean_over_items, sum_event


class BatchOptimalGaussian(distributions.DiagonalGaussian):
    """A Gaussian that is scored at the scale that fits the values it is asked about; training only."""

    def __init__(self, loc: Tensor, scale: OptimalScale, event_dims: int) -> None:
        super().__init__(loc, scale(None), event_dims)
        self.optimal = scale

    def _fit(self, value: Tensor) -> distributions.DiagonalGaussian:
        return distributions.DiagonalGaussian(self.loc, self.optimal.observe(value - self.loc), self.event_dims)

    def log_prob(self, value: Tensor) -> Tensor:
        fitted = self._fit(value)
        return sum_event(fitted.log_prob_each(value), self.event_dims)

    def log_prob_observed(self, value: Tensor) -> Tensor:
        return self._fit(value).log_prob_observed(value)


class Gaussian(Likelihood):
    """p(x|z) = N(f(z), scale^2).

    Args:
        net, shape, features, reads: as for every likelihood.
        scale: how wide; LearnedScale() where nothing is given, FixedScale(c) for a variance c.
        link: a torch.nn activation class on the mean, such as nn.Sigmoid for data in [0, 1].

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> p = Gaussian(MLP(2, [16]), (5,), scale=FixedScale(c=0.25))(torch.zeros(3, 2))
        >>> p.variance[0, 0].item()
        0.25
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014",)
    label = "Gaussian"
    wants = "real numbers"

    def __init__(
        self,
        net: nn.Module | None = None,
        shape: Sequence[int] | None = None,
        *,
        scale: Scale | None = None,
        link: type[nn.Module] | None = None,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        self.from_network = scale is not None and scale.from_network
        super().__init__(net, shape, features=features, reads=reads)
        self.scale = LearnedScale() if scale is None else scale
        self.link = nn.Identity() if link is None else link()
        if shape is not None:
            self.scale.build(shape)

    def parameters_each(self) -> int:
        return 2 if self.from_network else 1

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        if isinstance(self.link, nn.Identity):
            self.head.start_at(0, mean_over_items(x).nan_to_num(0.0))
        self.scale.start_at(mean_over_items((x - mean_over_items(x)).square()).nan_to_num(1.0).sqrt())

    def forward(self, *given: Tensor | None) -> distributions.DiagonalGaussian:
        out = self.parameters_of(*given)  # (1 or 2, *leading, *X)
        loc = self.link(out[0])
        if isinstance(self.scale, OptimalScale) and self.training:
            return BatchOptimalGaussian(loc, self.scale, len(self.shape))
        log_scale = self.scale(out[1] if self.from_network else None)
        return distributions.DiagonalGaussian(loc, log_scale, len(self.shape))

    def describe(self) -> str:
        if isinstance(self.scale, FixedScale):
            return f"{self.label}, variance c = {self.scale.arguments['c']:g}"
        return f"{self.label}, {self.scale.words}"
