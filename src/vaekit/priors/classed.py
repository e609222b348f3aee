r"""Priors over a class and latents: the class on its own, and the class that is a component of a mixture.

.. math:: p(y, z) = \pi_y\, p(z|y); \qquad p(z|y) \text{ where the class is given}
"""

from __future__ import annotations

__all__ = ["Classed", "ClassedMixture"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.distributions import ClassedGaussian
from vaekit.distributions.classed import known_class
from vaekit.messages import require_count
from vaekit.priors.base import Prior


class Classed(Prior):
    """p(y) = 1 / C and p(z) = N(0, I), independent (Kingma et al. 2014, arXiv:1406.5298).

    Args:
        latent_dim: the latents beside the class.
        classes: C.
        reads: the field of the context that holds the class, zeros where it is missing; none where all are.

    Example:
        >>> Classed(2, 10)().log_prob(torch.eye(12)[0])
        tensor(-4.1405)
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014b",)

    def __init__(self, latent_dim: int, classes: int, *, reads: Sequence[str] = ()) -> None:
        super().__init__()
        self.latent_shape, self.reads = (require_count("classes", classes) + latent_dim,), tuple(reads)
        self.register_buffer("zeros", torch.zeros(classes, latent_dim))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> ClassedGaussian:
        logits = known_class(self.zeros.new_zeros(len(self.zeros)), given[0] if given else None)
        return ClassedGaussian(logits, self.zeros.expand(*logits.shape, -1), self.zeros.new_zeros(()))


class ClassedMixture(Prior):
    """A mixture of Gaussians whose component is a latent: p(y) = 1 / C, p(z|y) = N(mean_y, diag(scale_y)^2), learned.

    Args:
        latent_dim: the latents beside the class.
        classes: C; their means begin as draws of N(0, I).
        reads: the field of the context that holds the class, zeros where it is missing; none where all are.

    Example:
        >>> ClassedMixture(2, 5)().sample((3,)).shape
        torch.Size([3, 7])
    """

    cites: ClassVar[tuple[str, ...]] = ("dilokthanakul2016",)

    def __init__(self, latent_dim: int, classes: int = 10, *, reads: Sequence[str] = ()) -> None:
        super().__init__()
        self.latent_shape, self.reads = (require_count("classes", classes) + latent_dim,), tuple(reads)
        self.loc = nn.Parameter(torch.randn(classes, latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(classes, latent_dim))

    def forward(self, *given: Tensor | None) -> ClassedGaussian:
        logits = known_class(self.loc.new_zeros(len(self.loc)), given[0] if given else None)
        shape = (*logits.shape, self.loc.shape[-1])
        return ClassedGaussian(logits, self.loc.expand(shape), self.log_scale.expand(shape))
