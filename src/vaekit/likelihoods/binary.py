"""Likelihoods of 0/1 data and of data between 0 and 1."""

from __future__ import annotations

__all__ = ["Bernoulli", "ContinuousBernoulli"]

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.likelihoods.base import Likelihood
from vaekit.maths import mean_over_items


class Bernoulli(Likelihood):
    """Independent 0/1 elements; the output's bias starts at the data's log-odds.

    Example:
        >>> from vaekit.networks import MLP
        >>> p = Bernoulli(MLP(2, [16]), (28, 28))(torch.zeros(10, 4, 2))
        >>> p.batch_shape, p.event_shape
        (torch.Size([10, 4]), torch.Size([28, 28]))
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014",)
    label = "Bernoulli"
    wants = "0 and 1"
    discrete = True
    narrow = True

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        self.head.start_at(0, torch.logit(mean_over_items(x).nan_to_num(0.5).clamp(0.001, 0.999)))

    def forward(self, *given: Tensor | None) -> distributions.Bernoulli:
        return distributions.Bernoulli(self.parameters_of(*given)[0], len(self.shape))


class ContinuousBernoulli(Likelihood):
    """Elements between 0 and 1 (Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845)."""

    cites: ClassVar[tuple[str, ...]] = ("loaiza2019",)
    label = "continuous Bernoulli"
    wants = "values between 0 and 1"

    def forward(self, *given: Tensor | None) -> distributions.ContinuousBernoulli:
        return distributions.ContinuousBernoulli(self.parameters_of(*given)[0], len(self.shape))
