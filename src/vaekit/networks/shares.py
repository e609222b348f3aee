"""Shares: a network that reads latents as shares of a whole."""

from __future__ import annotations

__all__ = ["Shares"]

from typing import Any

from torch import Tensor, nn

from vaekit.part import Part


class Shares(Part):
    """net(softmax(z), ...): what stands before is a vector of any numbers, what net sees is a point of the simplex.

    Args:
        net: from shares (*leading, D) and the context to features.

    Example:
        >>> import torch
        >>> from vaekit.networks.mlp import MLP
        >>> Shares(MLP(3, []))(torch.zeros(1, 3))
        tensor([[0.3333, 0.3333, 0.3333]])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net: Any = net

    @property
    def features(self) -> Any:
        """The net's own."""
        return self.net.features

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(z.softmax(-1), *given)
        return out
