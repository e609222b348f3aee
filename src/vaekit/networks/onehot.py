"""OneHot: what stands before a network whose input is named levels."""

from __future__ import annotations

__all__ = ["OneHot"]

import torch
from torch import Tensor, nn

from vaekit.networks.head import features_of
from vaekit.part import Part


class OneHot(Part):
    """Whole numbers from 0 to levels - 1 become a 1 among zeros, and a missing one (NaN) zeros throughout.

    Args:
        levels: how many names an element can take.
        net: the network behind it, which takes (B, *X, levels).

    Example:
        >>> OneHot(3, nn.Identity(), features=(2, 3))(torch.tensor([[1.0, float("nan")]]))
        tensor([[[0., 1., 0.],
                 [0., 0., 0.]]])
    """

    def __init__(self, levels: int, net: nn.Module, *, features: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.levels, self.net = levels, net
        self.features = features_of(net, features)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        marks = x.unsqueeze(-1) == torch.arange(self.levels, device=x.device)
        out: Tensor = self.net(marks.to(x.dtype), *given)
        return out
