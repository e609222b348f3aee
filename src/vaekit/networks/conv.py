"""Convolutional networks for pictures of any channels, height and width, odd and non-square sizes too."""

from __future__ import annotations

__all__ = ["ConvDecoder", "ConvEncoder", "as_map", "as_vector", "halvings", "picture_shape"]

import math
from collections.abc import Sequence

from torch import Tensor, nn

from vaekit.messages import Mistake, require_count, require_counts
from vaekit.networks.fold import fold, join, with_context
from vaekit.networks.initial import channels_last, keep_variance
from vaekit.part import Part


def picture_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """(H, W) or (C, H, W) as (C, H, W)."""
    if len(shape) not in (2, 3):
        raise Mistake(
            f"a convolutional network got items of shape {tuple(shape)} and wants pictures, (H, W) or (C, H, W): "
            "use the recipe 'vae', whose network is fully connected."
        )
    channels, height, width = (1, *shape) if len(shape) == 2 else shape
    return channels, height, width


def halvings(height: int, width: int, steps: int) -> list[tuple[int, int]]:
    """The sizes that a picture passes when it is halved, rounding up.

    Example:
        >>> halvings(28, 21, 3)
        [(28, 21), (14, 11), (7, 6), (4, 3)]
    """
    sizes = [(height, width)]
    for _ in range(steps):
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        sizes.append((height, width))
    return sizes


class ConvEncoder(Part):
    """Strided convolutions, a halving each, then one fully connected layer.

    Args:
        shape: (H, W) or (C, H, W).
        channels: the channels after each halving.
        width: the width of the last layer; None leaves that layer out.
        context: how many context values stand beside the picture, as constant planes.
        activation: a torch.nn class.

    Forward: x (B, *shape), context tensors (B, w) -> (B, width), or (B, channels[-1], H', W') without the last layer.

    Example:
        >>> import torch
        >>> ConvEncoder((3, 27, 20), [8, 16], width=32)(torch.zeros(2, 3, 27, 20)).shape
        torch.Size([2, 32])
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] = (32, 64),
        *,
        width: int | None = 256,
        context: int = 0,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        c, h, w = picture_shape(shape)
        channels = require_counts("channels", channels)
        layers: list[nn.Module] = []
        last = c + context
        for out in channels:
            layers += [nn.Conv2d(last, out, 3, stride=2, padding=1), activation()]
            last = out
        h, w = halvings(h, w, len(channels))[-1]
        self.features: tuple[int, ...] = (last, h, w)
        if width is not None:
            self.features = (require_count("width", width),)
            layers += [nn.Flatten(), nn.Linear(last * h * w, width), activation()]
        self.layers = nn.Sequential(*layers)
        keep_variance(channels_last(self.layers))

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        if len(self.shape) == 2:
            x = x.unsqueeze(-3)
        if x.ndim > 4:  # several draws of one batch: the context is theirs too
            given = tuple(None if g is None else g.expand(*x.shape[:-3], g.shape[-1]).flatten(0, -2) for g in given)
        return fold(lambda x: self.layers(with_context(x, given)), x, 3)


class ConvDecoder(Part):
    """One fully connected layer, then transposed convolutions, a doubling each, cropped to the exact size.

    Args:
        shape: (H, W) or (C, H, W) of the picture to be made; the likelihood's head adds the last layer.
        latent: the size of one latent vector; or (D, H', W'), a map of places with D numbers each, one place after the
            other, for a convolution in place of the fully connected layer.
        channels: the channels before each doubling, so that the same sequence serves encoder and decoder.
        context: how many context values stand beside the latent.
        activation: a torch.nn class.

    Forward: z (*leading, latent or D * H' * W'), context tensors (B, w) -> (*leading, channels[0], H, W).

    Example:
        >>> import torch
        >>> ConvDecoder((3, 27, 20), 5, [8, 16])(torch.zeros(4, 2, 5)).shape
        torch.Size([4, 2, 8, 27, 20])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent: int | Sequence[int],
        channels: Sequence[int] = (32, 64),
        *,
        context: int = 0,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        _, h, w = picture_shape(shape)
        channels = require_counts("channels", channels)
        self.sizes = halvings(h, w, len(channels))
        h, w = self.sizes[-1]
        self.map = None if isinstance(latent, int) else tuple(latent)
        if isinstance(latent, int):
            first: list[nn.Module] = [nn.Linear(latent + context, channels[-1] * h * w)]
            last: list[nn.Module] = [nn.Unflatten(-1, (channels[-1], h, w))]
        elif self.map is not None and self.map[1:] == (h, w):
            first, last = [nn.Conv2d(self.map[0] + context, channels[-1], 3, padding=1)], []
        else:
            raise Mistake(f"got latents of shape {self.map} and the decoder begins at {h} x {w}: give (D, {h}, {w}).")
        self.start = nn.Sequential(*first, activation(), *last)
        ups = [channels[0], *channels]
        self.steps = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(ups[i + 1], ups[i], 4, stride=2, padding=1), activation())
            for i in reversed(range(len(channels)))
        )
        keep_variance(channels_last(self))
        self.features: tuple[int, ...] = (channels[0], *self.sizes[0])

    @property
    def entrance(self) -> nn.Module:
        """The layer that the latents enter."""
        return self.start[0]

    def _grow(self, z: Tensor) -> Tensor:
        x = self.start(z if self.map is None else as_map(z, self.map))
        for step, (h, w) in zip(self.steps, reversed(self.sizes[:-1]), strict=True):
            x = step(x)[..., :h, :w]  # doubling an odd size's half gives one row too many
        return x

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        return fold(self._grow, join(z, given), 1)


def as_map(z: Tensor, shape: Sequence[int]) -> Tensor:
    """Vectors place after place, and context behind them, (N, D * H * W + C), as planes, (N, D + C, H, W).

    Example:
        >>> import torch
        >>> as_map(torch.tensor([[0.0, 1.0, 2.0, 3.0, 9.0]]), (2, 1, 2)).tolist()
        [[[[0.0, 2.0]], [[1.0, 3.0]], [[9.0, 9.0]]]]
    """
    d, h, w = shape
    places = z[:, : d * h * w].unflatten(1, (h, w, d)).permute(0, 3, 1, 2)
    return with_context(places, (z[:, d * h * w :],))


def as_vector(x: Tensor) -> Tensor:
    """Planes (N, C, H, W) as vectors, place after place, (N, H * W * C): what `as_map` undoes.

    Example:
        >>> import torch
        >>> as_vector(torch.tensor([[[[0.0, 2.0]], [[1.0, 3.0]]]])).tolist()
        [[0.0, 1.0, 2.0, 3.0]]
    """
    return x.permute(0, 2, 3, 1).flatten(1)
