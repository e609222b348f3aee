"""MLP: the fully connected network."""

from __future__ import annotations

__all__ = ["MLP"]

import itertools
import math
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.networks.fold import join
from vaekit.networks.initial import keep_variance
from vaekit.part import Part


class MLP(Part):
    """Fully connected layers, each followed by its activation; without any it passes its input through.

    Args:
        shape: the shape of one input, (D,) or (C, H, W); it is flattened.
        hidden: the widths of the layers.
        context: how many context values stand beside the input.
        activation: a torch.nn class.
        layer_norm: normalise before each activation.

    Forward: x (*leading, *shape), context tensors (B, width) -> (*leading, features).

    Example:
        >>> MLP((28, 28), [512, 256])(torch.zeros(3, 28, 28)).shape
        torch.Size([3, 256])
    """

    def __init__(
        self,
        shape: Sequence[int] | int,
        hidden: Sequence[int] = (512,),
        *,
        context: int = 0,
        activation: type[nn.Module] = nn.ReLU,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        require_widths(hidden)
        width = math.prod(self.shape) + context
        layers: list[nn.Module] = []
        for out in hidden:
            layers.append(nn.Linear(width, out))
            if layer_norm:
                layers.append(nn.LayerNorm(out))
            layers.append(activation())
            width = out
        self.layers = nn.Sequential(*layers)
        keep_variance(self.layers)
        self.features: tuple[int, ...] = (width,)

    @property
    def entrance(self) -> nn.Linear | None:
        """The layer that the input enters, its context behind it; None where the input is passed through."""
        first = next(iter(self.layers), None)
        return first if isinstance(first, nn.Linear) else None

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        if len(self.shape) > 1:
            x = x.flatten(-len(self.shape))
        x = join(x, given) if given else x
        for layer in self.layers:
            x = layer(x)
        return x  # (*leading, features)


def require_widths(hidden: object) -> None:
    """Refuse what is no list of whole numbers of 1 or more."""
    if isinstance(hidden, Integral) and not isinstance(hidden, bool):
        raise Mistake(f"got hidden={hidden} and wanted a list of widths: give hidden=[{hidden}].")
    whole = isinstance(hidden, Sequence) and all(isinstance(w, Integral) and int(w) >= 1 for w in hidden)
    if not whole or isinstance(hidden, str):
        raise Mistake(f"got hidden={hidden!r} and wanted a list of whole numbers, 1 or more each, such as [512, 256].")


def parameter_dtype(module: nn.Module) -> torch.dtype:
    """The dtype of a module's first floating-point parameter or buffer; float32 where it has none."""
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.get_default_dtype()
