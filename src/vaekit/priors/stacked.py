r"""A prior of two stages: the latents of the first are what the second one decodes to.

.. math:: p(z, a) = p(z|y)\, p(a|z)
"""

from __future__ import annotations

__all__ = ["Stacked"]

from typing import ClassVar

from torch import Tensor

from vaekit import distributions
from vaekit.priors.base import Prior
from vaekit.priors.conditional import ConditionalGaussian


class Stacked(Prior):
    """p(z|y) of a second stage and p(a|z), a those of the first (Kingma et al. 2014, arXiv:1406.5298).

    Args:
        top: p(z|y).
        below: p(a|z), a Gaussian that reads no context.

    Latents are z and a behind it.

    Example:
        >>> from vaekit.networks import MLP
        >>> from vaekit.priors import StandardNormal
        >>> prior = Stacked(StandardNormal(2), ConditionalGaussian(MLP(2, [8]), 3, reads=()))
        >>> prior().sample((4,)).shape
        torch.Size([4, 5])
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014b",)

    def __init__(self, top: Prior, below: ConditionalGaussian) -> None:
        super().__init__()
        self.top, self.below, self.reads = top, below, top.reads
        self.latent_shape = (top.latent_shape[0] + below.latent_shape[0],)

    def forward(self, *given: Tensor | None) -> distributions.Chained:
        return distributions.Chained(self.top(*given), self.below, *self.below.latent_shape)
