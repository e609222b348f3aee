"""ZeroFill: what stands before a network whose input has missing values."""

from __future__ import annotations

__all__ = ["ZeroFill"]

import torch
from torch import Tensor, nn

from vaekit.networks.head import features_of
from vaekit.part import Part


class ZeroFill(Part):
    """Missing values (NaN) become 0, as Mattei and Frellsen (2019, arXiv:1812.02633) fill them.

    Args:
        net: the network behind it.

    Example:
        >>> ZeroFill(nn.Identity(), features=(2,))(torch.tensor([[1.0, float("nan")]]))
        tensor([[1., 0.]])
    """

    def __init__(self, net: nn.Module, *, features: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.net = net
        self.features = features_of(net, features)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(torch.nan_to_num(x, nan=0.0), *given)
        return out
