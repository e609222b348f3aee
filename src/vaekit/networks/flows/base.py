r"""What layers of a flow share: maps with an inverse and a log-determinant, and the numbers that they are made of.

.. math:: \log q(z_T) = \log q(z_0) - \sum_t \log |\det \partial z_t / \partial z_{t-1}|
"""

from __future__ import annotations

__all__ = ["Layer", "Map", "Numbers", "Reversed", "unit_at_zero"]

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vaekit.networks.head import Head
from vaekit.part import Part

ONE = math.log(math.e - 1)  # softplus gives 1
LEAST = 1e-6


def unit_at_zero(x: Tensor) -> Tensor:
    """A positive number that is 1 at 0: softplus, shifted."""
    return LEAST + (1 - LEAST) * softplus(x + ONE)


class Map:
    """An invertible map of vectors, with log|det| of its Jacobian.

    Attributes:
        rotates: whether it keeps the norm of every vector.
    """

    rotates: bool = False

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (*leading, D) -> its image (*leading, D) and log|det| there, (*leading)."""
        raise NotImplementedError

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """An image (*leading, D) -> where it came from, and log|det| of the forward map there."""
        raise NotImplementedError

    def frozen(self) -> Map:
        """The same map with parameters that carry no gradient."""
        return self._with(Tensor.detach, lambda net: functools.partial(_without_gradient, net))

    def double(self) -> Map:
        """The same map with its tensors in float64; a network that it asks stays in its own precision."""
        return self._with(lambda t: t.double() if t.is_floating_point() else t, lambda net: net)

    def _with(self, tensor: Callable[[Tensor], Tensor], net: Callable[[nn.Module], Any]) -> Map:
        found = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                vars(found)[name] = tensor(value)
            elif isinstance(value, Map):
                vars(found)[name] = value._with(tensor, net)
            elif isinstance(value, nn.Module):
                vars(found)[name] = net(value)
        return found


def _without_gradient(net: nn.Module, *inputs: Tensor | None) -> Any:
    fixed = {name: p.detach() for name, p in net.named_parameters()}
    return torch.func.functional_call(net, fixed, inputs)


class Layer(Part):
    """One layer of a flow: given features (B, *F), or None, it returns a Map; without features all items share one."""

    def forward(self, features: Tensor | None = None) -> Map:
        raise NotImplementedError

    def __call__(self, features: Tensor | None = None) -> Any:
        return super().__call__(features)


class Numbers(nn.Module):
    """Numbers that a map needs: a linear function of the features, or without them parameters.

    Args:
        features: the shape of one item's features, or None.
        first: (n,), the numbers at first, whatever the features are but for a little.
    """

    def __init__(self, features: Sequence[int] | int | None, first: Tensor) -> None:
        super().__init__()
        if features is None:
            self.values = nn.Parameter(first.clone())
            return
        self.head = Head((features,) if isinstance(features, int) else features, (len(first),))
        self.head.start_at(0, first)

    def forward(self, features: Tensor | None) -> Tensor:
        """(B, *F) -> (B, n), or (n,)."""
        if features is None or not hasattr(self, "head"):
            return self.values
        out: Tensor = self.head(features)[0]
        return out


class Reversed(Layer):
    """A layer's map the other way round: what took long is fast, and what was fast takes long.

    Args:
        layer: as for Flow.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Tensor | None = None) -> Map:
        return _Reversed(self.layer(features))


class _Reversed(Map):
    def __init__(self, other: Map) -> None:
        self.other, self.rotates = other, other.rotates

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found, log_det = self.other.inverse(z)
        return found, -log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found, log_det = self.other.forward(z)
        return found, -log_det
