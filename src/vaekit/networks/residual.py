"""Residual convolutional networks (He et al. 2016, arXiv:1512.03385), pre-activated, with group normalisation."""

from __future__ import annotations

__all__ = ["Cell", "PictureLevel", "ResidualDecoder", "ResidualEncoder"]

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit.messages import require_count, require_counts
from vaekit.networks.conv import halvings, picture_shape
from vaekit.networks.fold import fold, join, with_context
from vaekit.networks.initial import channels_last, keep_variance
from vaekit.part import Part

FAINT = 0.1  # of a cell's usual last weights at first


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


class Cell(nn.Module):
    """x + f(x) where f begins near nothing: two 3x3 convolutions, or where it is wide the cell of NVAE's decoder.

    That is 1x1 to four times the channels, 5x5 on each by itself, 1x1 back and gates by channel (Vahdat and Kautz 2020,
    arXiv:2007.03898). Groups are normalised in place of batches, so that items stay apart, and are whole maps, so that
    one of a single place is not normalised away.

    Example:
        >>> import torch
        >>> Cell(8, wide=True)(torch.zeros(2, 8, 5, 4)).shape
        torch.Size([2, 8, 5, 4])
    """

    def __init__(self, channels: int, *, wide: bool = False) -> None:
        super().__init__()
        many = 4 * channels if wide else channels
        inner: list[nn.Module] = (
            [nn.Conv2d(channels, many, 1), nn.GroupNorm(1, many), nn.SiLU(),
             nn.Conv2d(many, many, 5, padding=2, groups=many), nn.GroupNorm(1, many), nn.SiLU()]
            if wide
            else [nn.SiLU(), nn.Conv2d(channels, many, 3, padding=1), nn.GroupNorm(1, many), nn.SiLU()]
        )  # fmt: skip
        last = nn.Conv2d(many, channels, 1 if wide else 3, padding=0 if wide else 1)
        self.layers = nn.Sequential(nn.GroupNorm(1, channels), *inner, last)
        keep_variance(self.layers)
        last.weight.data.mul_(FAINT)
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.SiLU(), nn.Conv2d(channels, channels, 1),
            nn.Sigmoid(),
        ) if wide else None  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + (out if self.gates is None else out * self.gates(out))


class PictureLevel(Part):
    """One level of an encoder of pictures, up: a strided convolution where the size is another, and a cell.

    Args:
        below: the shape of what comes in, (H, W) or (C, H, W).
        shape: (C, H, W) of what goes out.
        wide: whether the cell is NVAE's.

    Forward: (B, *below) -> (B, *shape).
    """

    def __init__(self, below: Sequence[int], shape: Sequence[int], *, wide: bool = False) -> None:
        super().__init__()
        self.below, self.features = tuple(below), tuple(shape)
        c, h, w = picture_shape(below)
        same = (h, w) == self.features[1:]
        enter = nn.Conv2d(c, self.features[0], 3, stride=1 if same else 2, padding=1)
        keep_variance(enter)
        self.layers = channels_last(nn.Sequential(enter, Cell(self.features[0], wide=wide)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x.unsqueeze(-3) if len(self.below) == 2 else x)
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
