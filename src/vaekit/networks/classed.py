"""What stands before the network of a likelihood whose latents begin with a class, one-hot."""

from __future__ import annotations

__all__ = ["ClassAside", "WithoutClass"]

from collections.abc import Sequence

from torch import Tensor, nn

from vaekit.messages import require_count
from vaekit.networks.head import features_of
from vaekit.part import Part


class ClassAside(Part):
    """(y, z) as z with y as its first context: a network made for a context takes a class that is a latent.

    Args:
        net: takes z (*leading, D), y (*leading, classes) and further context.
        classes: how many numbers y is.
        features: the shape of one output of net; asked of `net.features` where it has one.

    Example:
        >>> import torch
        >>> from vaekit.networks.mlp import MLP
        >>> ClassAside(MLP(2, [8], context=3), 3)(torch.zeros(5, 3 + 2)).shape
        torch.Size([5, 8])
    """

    def __init__(self, net: nn.Module, classes: int, *, features: Sequence[int] | int | None = None) -> None:
        super().__init__()
        self.net, self.classes = net, require_count("classes", classes)
        self.features = features_of(net, features)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(x[..., self.classes :], x[..., : self.classes], *given)
        return out


class WithoutClass(ClassAside):
    """(y, z) as z alone: the data are independent of their class given z.

    Args:
        net: takes z (*leading, D) and the context.
        classes, features: as for `ClassAside`.

    Example:
        >>> import torch
        >>> from vaekit.networks.mlp import MLP
        >>> WithoutClass(MLP(2, [8]), 3)(torch.zeros(5, 3 + 2)).shape
        torch.Size([5, 8])
    """

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(x[..., self.classes :], *given)
        return out
