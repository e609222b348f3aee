"""Encoders to a map of latents and decoders from one, with attention at the smallest size (Rombach et al. 2022)."""

from __future__ import annotations

__all__ = ["CompressingDecoder", "CompressingEncoder", "MapDecoder", "MapEncoder", "SelfAttention"]

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from vaekit.messages import Mistake, require_count, require_counts
from vaekit.networks.conv import as_map, halvings, picture_shape
from vaekit.networks.fold import fold, join, with_context
from vaekit.networks.initial import channels_last, keep_variance
from vaekit.networks.residual import FAINT, Cell
from vaekit.networks.shortcuts import Doubling, Halving
from vaekit.part import Part


class SelfAttention(nn.Module):
    r"""x + f(x) where each place of a map reads all of them, f near nothing at first; (B, C, H, W) both.

    .. math:: f(x)_i = W_o \sum_j \mathrm{softmax}_j(q_i \cdot k_j / \sqrt{C})\, v_j

    One head as wide as the map (Esser et al. 2021, arXiv:2012.09841); the map is normalised as a whole before.

    Example:
        >>> import torch
        >>> SelfAttention(8)(torch.zeros(2, 8, 5, 4)).shape
        torch.Size([2, 8, 5, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.ask, self.give = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)
        keep_variance(self)
        self.give.weight.data.mul_(FAINT)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.ask(self.norm(x)).flatten(2).mT.unsqueeze(1).chunk(3, -1)  # (B, 1, H W, C) each
        mixed = scaled_dot_product_attention(query, key, value)
        out: Tensor = x + self.give(mixed.squeeze(1).mT.unflatten(2, x.shape[2:]))
        return out


def strided(channels: int, out: int) -> nn.Module:
    """A strided convolution to half the height and width, rounded up."""
    conv = nn.Conv2d(channels, out, 3, stride=2, padding=1)
    keep_variance(conv)
    return conv


def nearest(channels: int, out: int) -> nn.Module:
    """Each place four times, and a convolution."""
    conv = nn.Conv2d(channels, out, 3, padding=1)
    keep_variance(conv)
    return nn.Sequential(nn.Upsample(scale_factor=2), conv)


def cells(channels: int, blocks: int) -> list[nn.Module]:
    return [Cell(channels) for _ in range(require_count("blocks", blocks))]


def middle(channels: int) -> list[nn.Module]:
    """What stands where the map is smallest: a cell, attention, a cell."""
    return [Cell(channels), SelfAttention(channels), Cell(channels)]


class MapEncoder(Part):
    """Halvings, each followed by residual cells, then attention between two more: a map, and no layer of all places.

    The encoder of latent diffusion (Rombach et al. 2022, arXiv:2112.10752), but that it has no cells at the picture's
    own size and that all channels are normalised together.

    Args:
        shape: (H, W) or (C, H, W).
        channels: the channels after each halving.
        blocks: residual cells at each size.
        context: how many context values stand beside the picture, as constant planes.

    Forward: x (B, *shape), context tensors (B, w) -> (B, channels[-1], H', W').

    Example:
        >>> import torch
        >>> MapEncoder((3, 27, 20), [8, 16])(torch.zeros(2, 3, 27, 20)).shape
        torch.Size([2, 16, 7, 5])
    """

    cites: ClassVar[tuple[str, ...]] = ("rombach2022", "he2016")

    def __init__(
        self, shape: Sequence[int], channels: Sequence[int] = (32, 64), *, blocks: int = 1, context: int = 0
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        c, h, w = picture_shape(shape)
        channels = require_counts("channels", channels)
        layers: list[nn.Module] = []
        last = c + context
        for i, out in enumerate(channels):
            layers += [(self.down if i else strided)(last, out), *cells(out, blocks)]
            last = out
        layers += [*middle(last), nn.GroupNorm(1, last), nn.SiLU()]
        self.layers = channels_last(nn.Sequential(*layers))
        self.features: tuple[int, ...] = (last, *halvings(h, w, len(channels))[-1])

    @staticmethod
    def down(channels: int, out: int) -> nn.Module:
        """A halving, from the second on."""
        return strided(channels, out)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        if len(self.shape) == 2:
            x = x.unsqueeze(-3)
        out: Tensor = self.layers(with_context(x, given))
        return out


class MapDecoder(Part):
    """A map of latents, a cell, attention and a cell, then residual cells and doublings, cropped to the exact size.

    Args:
        shape: (H, W) or (C, H, W) of the picture to be made; the likelihood's head adds the last layer.
        latent: (D, H', W'), the map of places with D numbers each, one place after the other.
        channels: the channels before each doubling, so that the same sequence serves encoder and decoder.
        blocks: residual cells at each size.
        context: how many context values stand beside the latents, as constant planes.

    Forward: z (*leading, D * H' * W'), context tensors (B, w) -> (*leading, channels[0], H, W).

    Example:
        >>> import torch
        >>> MapDecoder((3, 27, 20), (4, 7, 5), [8, 16])(torch.zeros(2, 140)).shape
        torch.Size([2, 8, 27, 20])
    """

    cites: ClassVar[tuple[str, ...]] = ("rombach2022", "he2016")

    def __init__(
        self,
        shape: Sequence[int],
        latent: Sequence[int],
        channels: Sequence[int] = (32, 64),
        *,
        blocks: int = 1,
        context: int = 0,
    ) -> None:
        super().__init__()
        _, h, w = picture_shape(shape)
        channels = require_counts("channels", channels)
        self.sizes = halvings(h, w, len(channels))
        self.map = tuple(latent)
        if len(self.map) != 3 or self.map[1:] != self.sizes[-1]:
            begin = " x ".join(map(str, self.sizes[-1]))
            raise Mistake(
                f"got latents of shape {self.map} and the decoder begins at {begin}: give (D, H', W') of that size."
            )
        enter = nn.Conv2d(self.map[0] + context, channels[-1], 3, padding=1)
        keep_variance(enter)
        self.start = nn.Sequential(enter, *middle(channels[-1]))
        ups = [channels[0], *channels]
        self.steps = nn.ModuleList(
            nn.Sequential(*cells(ups[i + 1], blocks), (self.up if i else nearest)(ups[i + 1], ups[i]))
            for i in reversed(range(len(channels)))
        )
        self.last = nn.Sequential(nn.GroupNorm(1, channels[0]), nn.SiLU())
        channels_last(self)
        self.features: tuple[int, ...] = (channels[0], *self.sizes[0])

    @staticmethod
    def up(channels: int, out: int) -> nn.Module:
        """A doubling, but for the last one."""
        return nearest(channels, out)

    @property
    def entrance(self) -> nn.Module:
        """The layer that the latents enter."""
        return self.start[0]

    def _grow(self, z: Tensor) -> Tensor:
        x = self.start(as_map(z, self.map))
        for step, (h, w) in zip(self.steps, reversed(self.sizes[:-1]), strict=True):
            x = step(x)[..., :h, :w]  # doubling an odd size's half gives one row too many
        out: Tensor = self.last(x)
        return out

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        return fold(self._grow, join(z, given), 1)


class CompressingEncoder(MapEncoder):
    """The same with shortcuts around its halvings but the first, which carry what there is to many channels.

    The paper halves five and six times with them (DC-AE, Chen et al. 2024, arXiv:2410.10733). Its blocks of linear
    attention, at the smaller sizes, are ordinary cells here.

    Args:
        shape, blocks, context: as for `MapEncoder`.
        channels: after each halving; each divides four times the one before.
    """

    cites: ClassVar[tuple[str, ...]] = ("chen2024", "he2016")

    @staticmethod
    def down(channels: int, out: int) -> nn.Module:
        return Halving(channels, out)


class CompressingDecoder(MapDecoder):
    """The decoder that belongs to `CompressingEncoder`, with shortcuts around its doublings but the last.

    Args:
        shape, latent, blocks, context: as for `MapDecoder`.
        channels: the encoder's; each divides four times the one before.
    """

    cites: ClassVar[tuple[str, ...]] = ("chen2024", "he2016")

    @staticmethod
    def up(channels: int, out: int) -> nn.Module:
        return Doubling(channels, out)
