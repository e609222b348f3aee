r"""A prior whose mean and scale come from the context.

.. math:: p(z|y) = N(z; \mu(y), \operatorname{diag} \sigma(y)^2)
"""

from __future__ import annotations

__all__ = ["ConditionalGaussian"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit.distributions import DiagonalGaussian
from vaekit.networks import Head, features_of
from vaekit.priors.base import Prior

LOG_SCALE = 10.0  # the posteriors' own bounds


class ConditionalGaussian(Prior):
    """p(z|y) = N(mean(y), diag(scale(y)^2)) (Sohn, Lee and Yan 2015).

    Args:
        net: any module from the fields of the context (B, width)... to features.
        latent_dim: the number of latents.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context, in the order that net takes them.

    Example:
        >>> from vaekit.networks import MLP
        >>> p = ConditionalGaussian(MLP(3, [8]), 2, reads=("y",))(torch.eye(3))
        >>> p.batch_shape, p.event_shape
        (torch.Size([3]), torch.Size([2]))
    """

    cites: ClassVar[tuple[str, ...]] = ("sohn2015",)

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = ("y",),
    ) -> None:
        super().__init__()
        self.net, self.reads, self.latent_shape = net, tuple(reads), (latent_dim,)
        self.head = Head(features_of(net, features), (latent_dim,), 2)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin near N(0, I), where the codes begin."""
        for which in (0, 1):
            self.head.start_at(which, torch.zeros(self.latent_shape))

    def forward(self, *given: Tensor | None) -> DiagonalGaussian:
        loc, log_scale = self.head(self.net(*given))  # each (B, D)
        return DiagonalGaussian(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE))
