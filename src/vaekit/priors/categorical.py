"""The prior of fair dice, for categorical latents."""

from __future__ import annotations

__all__ = ["UniformCategorical"]

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import require_count
from vaekit.priors.base import Prior


class UniformCategorical(Prior):
    """p(z) = K^-N over N variables with K values, z the N one-hot vectors one after the other.

    Args:
        variables: N.
        levels: K.

    Example:
        >>> prior = UniformCategorical(20, 10)
        >>> prior().log_prob(prior().sample((2,)))
        tensor([-46.0517, -46.0517])
    """

    def __init__(self, variables: int, levels: int) -> None:
        super().__init__()
        self.variables, self.levels = require_count("variables", variables), require_count("levels", levels)
        self.latent_shape = (variables * levels,)
        self.register_buffer("zeros", torch.zeros(variables, levels))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> distributions.OneHot:
        return distributions.OneHot(self.zeros)
