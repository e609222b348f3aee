"""Residual convolutional networks (He et al. 2016, arXiv:1512.03385), pre-activated, with group normalisation."""

from __future__ import annotations

__all__ = ["ResidualDecoder", "ResidualEncoder"]

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit.messages import require_count, require_counts
from vaekit.networks.conv import halvings, picture_shape
from vaekit.networks.fold import fold, join, with_context
from vaekit.networks.initial import channels_last
from vaekit.part import Part


class ResidualBlock(nn.Module):
    """x + f(x): two 3x3 convolutions behind normalisation and SiLU; the second starts at zero, so f starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = next(g for g in (8, 4, 2, 1) if channels % g == 0)
        self.layers = nn.Sequential(
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class ResidualEncoder(Part):
    """Halvings by strided convolution, each followed by residual blocks, then one fully connected layer.

    Args:
        shape: (H, W) or (C, H, W).
        channels: the channels after each halving.
        blocks: residual blocks at each size.
        width: the width of the last layer.
        context: how many context values stand beside the picture, as constant planes.

    Forward: x (B, *shape), context tensors (B, w) -> (B, width).
    """

    cites: ClassVar[tuple[str, ...]] = ("he2016",)

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] = (32, 64),
        *,
        blocks: int = 1,
        width: int = 256,
        context: int = 0,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        c, h, w = picture_shape(shape)
        channels, width = require_counts("channels", channels), require_count("width", width)
        require_count("blocks", blocks)
        last, layers = c + context, []
        for out in channels:
            layers += [nn.Conv2d(last, out, 3, stride=2, padding=1), *(ResidualBlock(out) for _ in range(blocks))]
            last = out
        h, w = halvings(h, w, len(channels))[-1]
        layers += [nn.SiLU(), nn.Flatten(), nn.Linear(last * h * w, width), nn.SiLU()]
        self.layers = channels_last(nn.Sequential(*layers))
        self.features: tuple[int, ...] = (width,)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        if len(self.shape) == 2:
            x = x.unsqueeze(-3)
        out: Tensor = self.layers(with_context(x, given))
        return out


class ResidualDecoder(Part):
    """One fully connected layer, then residual blocks and nearest-neighbour doublings, cropped to the exact size.

    Args:
        shape: (H, W) or (C, H, W) of the picture to be made; the likelihood's head adds the last layer.
        latent: the size of one latent vector.
        channels: the channels before each doubling.
        blocks: residual blocks at each size.
        context: how many context values stand beside the latent.

    Forward: z (*leading, latent), context tensors (B, w) -> (*leading, channels[0], H, W).
    """

    cites: ClassVar[tuple[str, ...]] = ("he2016",)

    def __init__(
        self,
        shape: Sequence[int],
        latent: int,
        channels: Sequence[int] = (32, 64),
        *,
        blocks: int = 1,
        context: int = 0,
    ) -> None:
        super().__init__()
        _, h, w = picture_shape(shape)
        channels = require_counts("channels", channels)
        require_count("blocks", blocks)
        self.sizes = halvings(h, w, len(channels))
        h, w = self.sizes[-1]
        self.start = nn.Linear(latent + context, channels[-1] * h * w)
        self.unflatten = nn.Unflatten(-1, (channels[-1], h, w))
        ups = [channels[0], *channels]
        self.steps = nn.ModuleList(
            nn.Sequential(
                *(ResidualBlock(ups[i + 1]) for _ in range(blocks)),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(ups[i + 1], ups[i], 3, padding=1),
            )
            for i in reversed(range(len(channels)))
        )
        self.last = nn.SiLU()
        channels_last(self)
        self.features: tuple[int, ...] = (channels[0], *self.sizes[0])

    @property
    def entrance(self) -> nn.Module:
        """The layer that the latents enter."""
        return self.start

    def _grow(self, x: Tensor) -> Tensor:
        for step, (h, w) in zip(self.steps, reversed(self.sizes[:-1]), strict=True):
            x = step(x)[..., :h, :w]
        out: Tensor = self.last(x)
        return out

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        return fold(self._grow, self.unflatten(self.start(join(z, given))), 3)
