"""The prior of latents of several kinds, independent of each other."""

from __future__ import annotations

__all__ = ["Blocks"]

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from vaekit import distributions
from vaekit.priors.base import Prior


class Blocks(Prior):
    """p(z) = the product of priors of the parts of z, which stand one after the other.

    Args:
        parts: priors without a context, such as [StandardNormal(10), UniformCategorical(1, 10)].

    Example:
        >>> from vaekit.priors import StandardNormal, UniformCategorical
        >>> Blocks([StandardNormal(2), UniformCategorical(1, 3)])().sample((4,)).shape
        torch.Size([4, 5])
    """

    def __init__(self, parts: Sequence[Prior]) -> None:
        super().__init__()
        self.parts: Any = nn.ModuleList(parts)
        self.latent_shape = (sum(part.latent_shape[0] for part in parts),)

    def forward(self, *given: Tensor | None) -> distributions.Blocks:
        return distributions.Blocks(*(part() for part in self.parts))
