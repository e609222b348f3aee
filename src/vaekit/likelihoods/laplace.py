"""The Laplace likelihood: absolute errors, with the constant that makes them a density."""

from __future__ import annotations

__all__ = ["Laplace", "OneScale"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.likelihoods.base import Likelihood
from vaekit.likelihoods.scales import LearnedScale
from vaekit.maths import mean_over_items


class OneScale(Likelihood):
    """The base of those with a middle from the network and one learned scale that is like a mean absolute error.

    Args:
        net, shape, features, reads: as for every likelihood.
    """

    wants = "real numbers"

    def __init__(
        self,
        net: nn.Module | None = None,
        shape: Sequence[int] | None = None,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, shape, features=features, reads=reads)
        self.scale = LearnedScale()

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        self.head.start_at(0, mean_over_items(x).nan_to_num(0.0))
        spread = mean_over_items((x - mean_over_items(x)).abs()).nan_to_num(1.0)  # as a Laplace's scale is estimated
        self.scale.start_at(spread)


class Laplace(OneScale):
    """p(x|z) = exp(-|x - f(z)| / b) / 2b for each element, with one learned scale b.

    The absolute error of Esser et al. 2021 (arXiv:2012.09841) and Rombach et al. 2022 (arXiv:2112.10752), whose log b
    stands still.

    Args:
        net, shape, features, reads: as for every likelihood.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> Laplace(MLP(2, [16]), (5,))(torch.zeros(3, 2)).log_prob(torch.zeros(3, 5)).shape
        torch.Size([3])
    """

    cites: ClassVar[tuple[str, ...]] = ("rombach2022",)
    label = "Laplace, one learned scale"

    def forward(self, *given: Tensor | None) -> distributions.Laplace:
        loc = self.parameters_of(*given)[0]  # (*leading, *X)
        return distributions.Laplace(loc, self.scale(None), len(self.shape))
