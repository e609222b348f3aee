r"""Points of the Poincare ball as points of the hyperboloid, for a decoder that reads those coordinates.

.. math:: x_0 = \frac{1 + c|z|^2}{\sqrt c\,(1 - c|z|^2)}, \quad x_i = \frac{2 z_i}{1 - c|z|^2}, \qquad
          -x_0^2 + \sum_i x_i^2 = -1 / c

The Lorentz model of Nagano et al. 2019, arXiv:1902.02992.
"""

from __future__ import annotations

__all__ = ["Hyperboloid", "Lorentzian"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.networks.mlp import MLP
from vaekit.networks.pairs import Curved
from vaekit.part import Part


class Hyperboloid(Part):
    """Fully connected layers behind the D + 1 coordinates of the hyperboloid.

    They grow exponentially with the distance from the origin, to hundreds where a standard normal of 32
    dimensions lies, so that the layers read their inverse hyperbolic sines.

    Args:
        latent_dim: D, of the ball.
        hidden: the widths of the layers.
        curvature: c, as the latents'.
        context: how many context values stand beside the coordinates.
        activation: a torch.nn class.

    Forward: z (*leading, D), context tensors (B, width) -> (*leading, features).

    Example:
        >>> Hyperboloid(2, [32])(torch.zeros(5, 2)).shape
        torch.Size([5, 32])
    """

    cites: ClassVar[tuple[str, ...]] = ("nagano2019",)

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
        self.curvature = curvature
        self.after = MLP(latent_dim + 1, hidden, context=context, activation=activation)
        self.features: tuple[int, ...] = self.after.features

    def lifted(self, z: Tensor) -> Tensor:
        """The coordinates, time first, (*leading, D + 1)."""
        square = self.curvature * z.square().sum(-1, keepdim=True)
        first = (1 + square) / math.sqrt(self.curvature)
        return torch.cat([first, 2 * z], -1) / (1 - square).clamp_min(1e-7)

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.after(self.lifted(z).asinh(), *given)
        return out


@dataclass(frozen=True)
class Lorentzian(Curved):
    """Fully connected networks whose decoder reads the coordinates of the hyperboloid.

    Example:
        >>> Lorentzian((64, 32)).decoder((10,), 2, 0).features
        (64,)
    """

    decodes = Hyperboloid
