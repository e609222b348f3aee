"""Columns: what stands before a network that reads some of the latents."""

from __future__ import annotations

__all__ = ["Columns"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.part import Part


class Columns(Part):
    """Some elements of a vector go on to a network.

    Args:
        columns: their places.
        net: the network behind it.

    Example:
        >>> Columns([0, 2], nn.Identity())(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[1., 3.]])
    """

    def __init__(self, columns: Sequence[int], net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.features: Any = getattr(net, "features", None)
        self.register_buffer("columns", torch.tensor(list(columns)))
        self.columns: Tensor

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(x[..., self.columns], *given)
        return out
