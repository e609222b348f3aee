r"""Gyroplanes: distances of points of the Poincare ball to hyperplanes of it, the first layer of a decoder.

.. math:: f_k(z) = \frac{|a_k|}{\sqrt c} \operatorname{arsinh} \frac{2 \sqrt c\, \langle -p_k \oplus z, a_k \rangle}
                   {(1 - c |{-p_k} \oplus z|^2) |a_k|}

Mathieu et al. 2019, arXiv:1901.06033, from the hyperplanes of Ganea et al. 2018, arXiv:1805.09112.
"""

from __future__ import annotations

__all__ = ["Gyroplanar", "Gyroplanes"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.maths import ball_exp
from vaekit.networks.mlp import MLP, require_widths
from vaekit.networks.pairs import Curved
from vaekit.part import Part


class Gyroplanes(Part):
    """Signed distances to learned hyperplanes, an activation and fully connected layers.

    Args:
        latent_dim: D, of the ball.
        hidden: how many hyperplanes, and the widths of the layers behind them.
        curvature: c, as the latents'.
        context: how many context values stand beside the distances.
        activation: a torch.nn class.

    Forward: z (*leading, D), context tensors (B, width) -> (*leading, features).

    Example:
        >>> Gyroplanes(2, [16, 32])(torch.zeros(5, 2)).shape
        torch.Size([5, 32])
    """

    cites: ClassVar[tuple[str, ...]] = ("mathieu2019", "ganea2018")

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int] = (256, 512),
        *,
        curvature: float = 1.0,
        context: int = 0,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        require_widths(hidden)
        first, *rest = hidden if hidden else (latent_dim,)
        self.curvature, self.activation = curvature, activation()
        self.normals = nn.Parameter(torch.randn(first, latent_dim) / math.sqrt(2 * latent_dim))
        self.offsets = nn.Parameter(0.1 * torch.randn(first, latent_dim))  # tangent vectors at the origin
        self.after = MLP(first, rest, context=context, activation=activation)
        self.features: tuple[int, ...] = self.after.features

    def distances(self, z: Tensor) -> Tensor:
        """|a_k| times the signed distance of z to the k-th hyperplane, (*leading, hyperplanes)."""
        c, a = self.curvature, self.normals
        p = ball_exp(torch.zeros_like(self.offsets), self.offsets, c)
        size, own = a.norm(dim=-1).clamp_min(1e-12), 1 - c * p.square().sum(-1)
        zz = c * z.square().sum(-1, keepdim=True)
        # the denominator of -p + z cancels, so that no sum is taken for each pair
        over = own * (z @ a.T) - (1 - 2 * c * (z @ p.T) + zz) * (p * a).sum(-1)
        return size / math.sqrt(c) * torch.asinh(2 * math.sqrt(c) * over / (own * (1 - zz).clamp_min(1e-7) * size))

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.after(self.activation(self.distances(z)), *given)
        return out


@dataclass(frozen=True)
class Gyroplanar(Curved):
    """Fully connected networks, the decoder's first layer of hyperplanes of the ball that the latents are in.

    Example:
        >>> Gyroplanar((64, 32)).decoder((10,), 2, 0).features
        (64,)
    """

    decodes = Gyroplanes
