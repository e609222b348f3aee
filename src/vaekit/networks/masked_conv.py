"""Masked convolutions: an output sees the pixels above and to the left of its own, never itself or later ones."""

from __future__ import annotations

__all__ = ["MaskedConv", "PixelNet"]

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import require_count
from vaekit.networks.conv import picture_shape
from vaekit.part import Part


class MaskedConv(nn.Conv2d):
    """A convolution of pixels in reading order (van den Oord et al. 2016, arXiv:1601.06759).

    Args:
        inputs, outputs: channels.
        size: of the kernel, odd.
        own: whether an output sees its own place too, as all layers but the first may.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, own: bool) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2)
        mask = torch.zeros(size, size)
        mask.view(-1)[: size * size // 2 + own] = 1
        self.register_buffer("mask", mask)
        self.mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class PixelNet(Part):
    """A decoder's features beside masked convolutions of the picture itself.

    Args:
        decoder: from z and the context to features (N, C', H, W).
        shape: (H, W) or (C, H, W) of the picture.
        channels: of the masked layers.
        layers: how many there are after the first; with the size of their kernels they say how far back a pixel sees.
        size: of the kernels, odd.

    Forward: z (N, D), context tensors (N, w), x (N, C * H * W) -> (N, channels, H, W).
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2016", "gulrajani2017")

    def __init__(
        self, decoder: nn.Module, shape: Sequence[int], *, channels: int = 32, layers: int = 2, size: int = 5
    ) -> None:
        super().__init__()
        self.decoder, self.shape = decoder, picture_shape(shape)
        width = require_count("channels", channels)
        seen: Any = decoder.features
        self.first = MaskedConv(self.shape[0], width, size, own=False)
        self.more = nn.ModuleList(MaskedConv(width, width, size, own=True) for _ in range(layers))
        self.said = nn.ModuleList(nn.Conv2d(seen[0], width, 1) for _ in range(layers + 1))  # what z has to say
        self.features = (width, *self.shape[1:])

    def forward(self, z: Tensor, *given: Tensor) -> Tensor:
        *context, x = given
        h = self.decoder(z, *context)
        out: Tensor = self.first(x.reshape(-1, *self.shape)) + self.said[0](h)
        for layer, said in zip(self.more, list(self.said)[1:], strict=True):
            out = out + layer(out.relu()) + said(h)
        return out.relu()
