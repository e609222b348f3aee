"""Networks of series: an encoder that sees the neighbourhood of a step, a decoder that sees the step alone."""

from __future__ import annotations

__all__ = ["Series", "SeriesEncoder", "StepDecoder"]

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from vaekit.messages import Mistake, require_count
from vaekit.networks.mlp import MLP
from vaekit.networks.pairs import Pair
from vaekit.part import Part


class SeriesEncoder(Part):
    """A convolution in time, then the same fully connected layers at every step.

    Args:
        shape: of one series, the steps first: (T,), (T, C) or (T, C, H, W).
        hidden: the widths of the convolution's output and of the layers behind it.
        window: how many steps the convolution sees, those before and after a step alike; odd.
        activation: a torch.nn class.

    Forward: x (*leading, *shape) -> (*leading, T, features).

    Example:
        >>> import torch
        >>> SeriesEncoder((10, 3), [16, 8])(torch.zeros(5, 10, 3)).shape
        torch.Size([5, 10, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int] = (64, 64),
        *,
        window: int = 15,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if require_count("window", window) % 2 == 0:
            raise Mistake(f"got window={window} and wanted an odd number: as many steps before as after.")
        if not hidden:
            raise Mistake("got no hidden widths and a series is seen through one layer or more: give hidden=[64].")
        self.shape = tuple(shape)
        self.near = nn.Conv1d(math.prod(self.shape[1:]), hidden[0], window, padding=window // 2)
        self.first = activation()
        self.layers = MLP(hidden[0], hidden[1:], activation=activation)
        self.features: tuple[int, ...] = (self.shape[0], *self.layers.features)

    def forward(self, x: Tensor) -> Tensor:
        leading = x.shape[: x.ndim - len(self.shape)]
        series = x.reshape(-1, self.shape[0], self.near.in_channels)
        near = self.first(self.near(series.mT)).mT  # (N, T, width)
        out: Tensor = self.layers(near).reshape(*leading, *self.features)
        return out


class StepDecoder(Part):
    """The same fully connected layers at every step, of that step's latents alone.

    Args:
        steps: T.
        channels: C, the latents of a step.
        hidden: the widths of the layers.
        activation: a torch.nn class.

    Forward: z (*leading, T * C), the steps one after the other -> (*leading, T, features).

    Example:
        >>> import torch
        >>> StepDecoder(10, 2, [16])(torch.zeros(5, 20)).shape
        torch.Size([5, 10, 16])
    """

    def __init__(
        self, steps: int, channels: int, hidden: Sequence[int] = (64, 64), *, activation: type[nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        self.steps, self.channels = require_count("steps", steps), require_count("channels", channels)
        self.layers = MLP(channels, hidden, activation=activation)
        self.features: tuple[int, ...] = (steps, *self.layers.features)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.layers(z.unflatten(-1, (self.steps, self.channels)))
        return out


@dataclass(frozen=True)
class Series(Pair):
    """Both for series: the encoder sees a window of steps, the decoder a step at a time, in the layers' reverse order.

    Example:
        >>> Series((64, 32)).decoder((10, 3), 20, 0).features
        (10, 64)
    """

    hidden: Sequence[int] = (64, 64)
    window: int = 15
    activation: type[nn.Module] = nn.ReLU

    def encoder(self, shape: Sequence[int], context: int) -> nn.Module:
        return SeriesEncoder(shape, self.hidden, window=self.window, activation=self.activation)

    def decoder(self, shape: Sequence[int], latent_dim: int, context: int) -> nn.Module:
        steps = shape[0]
        return StepDecoder(steps, latent_dim // steps, tuple(reversed(self.hidden)), activation=self.activation)
