r"""Autoregressive layers, gated as in Improving Variational Inference with Inverse Autoregressive Flow
(Kingma et al. 2016, https://arxiv.org/abs/1606.04934) and affine as in Masked Autoregressive Flow for Density
Estimation (Papamakarios et al. 2017, https://arxiv.org/abs/1705.07057).

.. math:: f(z)_i = \sigma_i z_i + (1 - \sigma_i) m_i, \qquad f(z)_i = z_i e^{s_i} + m_i, \qquad
          (m_i, s_i) = \mathrm{MADE}(z_{<i}, h)
"""

from __future__ import annotations

__all__ = ["Autoregressive", "InverseAutoregressive"]

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.networks.flows.base import Layer, Map
from vaekit.networks.masked import MADE

OPEN = 2.0  # added to the gate's logit, so that a layer begins near the identity
LEAST = 0.01  # of a gate, so that the way back stays among the numbers
LOG_SCALE = 5.0  # of one affine layer, at most


class Autoregressive(Layer):
    """Each latent is shifted and scaled by what the latents before it say; one pass forward, D passes back.

    Args:
        latent_dim: D.
        features: the shape of the features that the network sees too, or None.
        hidden: the widths of the network's layers.
        backwards: whether the last latent is the first in the order.

    Example:
        >>> layer = Autoregressive(3)().frozen()
        >>> z = torch.randn(5, 3)
        >>> torch.allclose(layer.inverse(layer.forward(z)[0])[0], z, atol=1e-5)
        True
    """

    cites: ClassVar[tuple[str, ...]] = ("papamakarios2017",)

    def __init__(
        self,
        latent_dim: int,
        features: Sequence[int] | int | None = None,
        *,
        hidden: Sequence[int] = (128,),
        backwards: bool = False,
    ) -> None:
        super().__init__()
        shape = () if features is None else (features,) if isinstance(features, int) else features
        context = math.prod(shape) if features is not None else 0
        self.net = MADE(latent_dim, hidden, outputs=self.numbers_each(), context=context, backwards=backwards)

    def numbers_each(self) -> int:
        """How many numbers move one latent."""
        return 2

    def moved(self, z: Tensor, numbers: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        """Each latent moved by its numbers, there or back, and the log of the slope of the way there."""
        shift, log_scale = self.affine(*numbers.chunk(2, -1))
        return (z - shift) * (-log_scale).exp() if back else z * log_scale.exp() + shift, log_scale

    @staticmethod
    def affine(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """The network's numbers -> the shift and the log-scale of each latent."""
        return first, LOG_SCALE * (second / LOG_SCALE).tanh()

    def forward(self, features: Tensor | None = None) -> Map:
        h = None if features is None or self.net.beside is None else features.flatten(1)
        return _Autoregressive(self.moved, self.net, h)


class InverseAutoregressive(Autoregressive):
    """Each latent moves towards m, as far as a gate sigma lets it; m and sigma read the latents before it."""

    cites: ClassVar[tuple[str, ...]] = ("kingma2016",)

    @staticmethod
    def affine(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        shut = (1 - LEAST) * torch.sigmoid(-second - OPEN)  # 1 - sigma
        return shut * first, torch.log1p(-shut)


class _Autoregressive(Map):
    def __init__(self, moved: Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]], net: MADE, h: Tensor | None):
        self.moved, self.order, self.net, self.h = moved, net.order, net, h

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        out, log_slope = self.moved(z, self.net(z, self.h), False)
        return out, log_slope.sum(-1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found, log_slope = torch.zeros_like(z), torch.zeros_like(z)
        for i in range(z.shape[-1]):  # those that are not known yet stay 0: nothing reads them, and nothing overflows
            found, log_slope = self.moved(z, self.net(found, self.h), True)
            found = torch.where(self.order <= i, found, 0.0)
        return found, log_slope.sum(-1)
