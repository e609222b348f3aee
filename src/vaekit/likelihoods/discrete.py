"""Likelihoods of integer levels: ordered (pixels) and named (categories)."""

from __future__ import annotations

__all__ = ["Categorical", "DiscretizedLogistic"]

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.likelihoods.base import Likelihood


class DiscretizedLogistic(Likelihood):
    """Ordered levels over [-1, 1] under rounded logistic noise (Kingma et al. 2016, arXiv:1606.04934).

    Args:
        net, shape, features, reads: as for every likelihood; mean and log-scale come from the network.
        levels: how many values an element can take.
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2016",)
    label = "discretised logistic"
    wants = "whole levels, such as 8-bit pixels"
    discrete = True

    def __init__(
        self,
        net: nn.Module | None = None,
        shape: Sequence[int] | None = None,
        *,
        levels: int = 256,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        self.levels = levels
        super().__init__(net, shape, features=features, reads=reads)

    def parameters_each(self) -> int:
        return 2

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        mean = x.double().nanmean(0).nan_to_num(0.0)
        spread = (x.double() - mean).square().nanmean(0).nan_to_num(1.0).sqrt()
        scale = spread.clamp_min(2 / self.levels) * math.sqrt(3) / math.pi  # a logistic of this spread
        self.head.start_at(0, mean.to(x.dtype))
        self.head.start_at(1, scale.log().to(x.dtype))

    def forward(self, *given: Tensor | None) -> distributions.DiscretizedLogistic:
        loc, log_scale = self.parameters_of(*given)  # each (*leading, *X)
        return distributions.DiscretizedLogistic(loc, log_scale.clamp(-7.0, 3.0), self.levels, len(self.shape))


class Categorical(Likelihood):
    """Named levels 0..levels-1, independent elements.

    Args:
        net, shape, features, reads: as for every likelihood.
        levels: how many names an element can take.
    """

    label = "categorical"
    wants = "whole numbers from 0 to levels - 1"
    discrete = True
    narrow = True

    def __init__(
        self,
        net: nn.Module | None = None,
        shape: Sequence[int] | None = None,
        *,
        levels: int = 2,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        self.levels = levels
        super().__init__(net, shape, features=features, reads=reads)

    def parameters_each(self) -> int:
        return self.levels

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        for level in range(self.levels):  # a handful of levels, not of items
            share = (x == level).double().mean(0).clamp_min(1 / (n + self.levels))
            self.head.start_at(level, share.log().to(x.dtype))

    def forward(self, *given: Tensor | None) -> distributions.Categorical:
        logits = self.head.stacked(*self.features_of(*given))  # (*leading, levels, *X)
        return distributions.Categorical(logits, len(self.shape))
