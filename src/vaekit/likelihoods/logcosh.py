"""The log-cosh likelihood: a Gaussian's slope near the mean, a Laplace's far from it."""

from __future__ import annotations

__all__ = ["LogCosh"]

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.likelihoods.laplace import OneScale


class LogCosh(OneScale):
    """p(x|z) proportional to cosh(a (x - f(z)) / s)^(-1/a), with one learned scale s (Chen, Chen and Zhang 2019).

    The log-cosh loss with the constant that makes it a density, so that its ELBO is a bound on log p(x).

    Args:
        net, shape, features, reads: as for every likelihood.
        sharpness: a, in units of the scale.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> LogCosh(MLP(2, [16]), (5,))(torch.zeros(3, 2)).mean.shape
        torch.Size([3, 5])
    """

    cites: ClassVar[tuple[str, ...]] = ("chen2019",)
    label = "log-cosh, one learned scale"

    def __init__(
        self,
        net: nn.Module | None = None,
        shape: Sequence[int] | None = None,
        *,
        sharpness: float = 10.0,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, shape, features=features, reads=reads)
        self.sharpness = float(sharpness)

    def forward(self, *given: Tensor | None) -> distributions.LogCosh:
        loc = self.parameters_of(*given)[0]  # (*leading, *X)
        return distributions.LogCosh(loc, self.scale(None), self.sharpness, len(self.shape))
