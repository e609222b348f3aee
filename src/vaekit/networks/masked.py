r"""MADE: Masked Autoencoder for Distribution Estimation, Germain et al. 2015, https://arxiv.org/abs/1502.03509.

.. math:: \partial\, \mathrm{out}_i / \partial z_j = 0 \quad \text{for } j \ge i
"""

from __future__ import annotations

__all__ = ["MADE", "MaskedLinear"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, linear

from vaekit.messages import require_count
from vaekit.networks.mlp import require_widths
from vaekit.part import Part

QUIET = 0.1  # of the last layer's usual first weights


class MaskedLinear(nn.Linear):
    """A linear layer some of whose weights are 0 for good.

    Args:
        mask: (outputs, inputs), 1 where a weight is free.
        size: of the first weights, beside the one that keeps the signal's variance.
    """

    def __init__(self, mask: Tensor, size: float = 1.0) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask)
        self.mask: Tensor
        nn.init.normal_(self.weight, std=size * math.sqrt(4 / mask.shape[1]))  # half of the weights are free
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.mask, self.bias)


class MADE(Part):
    """A network whose outputs for latent i see the context and the latents before i alone.

    Args:
        latent_dim: D.
        hidden: the widths of the layers.
        outputs: numbers for each latent.
        context: how many context values all outputs may see.
        backwards: whether the last latent is the first in the order.

    Forward: z (*leading, D), context tensors (B, width) -> (*leading, outputs * D): all first numbers, then all
    second ones.

    Example:
        >>> MADE(3, [8])(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    cites: ClassVar[tuple[str, ...]] = ("germain2015",)

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int] = (128,),
        *,
        outputs: int = 2,
        context: int = 0,
        backwards: bool = False,
    ) -> None:
        super().__init__()
        require_widths(hidden)
        d = require_count("latent_dim", latent_dim)
        order = torch.arange(1, d + 1)
        order = order.flip(0) if backwards else order  # the place of each latent
        seen, layers = order, []
        for width in hidden:
            degrees = (
                torch.arange(width) % d
            )  # how many latents a unit sees: from 0 up, so that the first latent sees the context
            layers.append(MaskedLinear((degrees[:, None] >= seen).float()))
            seen = degrees
        self.layers = nn.ModuleList(layers)
        self.last = MaskedLinear((order[:, None] > seen).float().repeat(outputs, 1), QUIET)
        self.beside = nn.Linear(context, hidden[0], bias=False) if context else None
        self.features: tuple[int, ...] = (outputs * d,)
        self.register_buffer("order", order - 1)
        self.order: Tensor

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):  # what makes a density stays in its full precision
            out = z.to(self.last.weight.dtype)
            for i, layer in enumerate(self.layers):
                out = layer(out)
                if i == 0 and self.beside is not None:
                    out = out + self.beside(torch.cat([g.to(out.dtype) for g in given if g is not None], -1))
                out = elu(out)
            out = self.last(out)
        return out.to(z.dtype)
