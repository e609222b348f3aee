"""PatchCritic: a discriminator that judges each patch of a picture by itself (Isola et al. 2017, arXiv:1611.07004)."""

from __future__ import annotations

__all__ = ["PatchCritic"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake, require_count
from vaekit.networks.conv import picture_shape
from vaekit.networks.initial import channels_last, keep_variance
from vaekit.part import Part

DEEPEST, WIDEST = 3, 8  # strided layers, and how many times the first layer's channels the last ones have
LEAST = 3  # pixels of a side that hold a patch


class PatchCritic(Part):
    """Pictures -> a map of logits, one for each patch of 7, 16, 34 or 70 pixels: the judge of Isola et al. 2017.

    It is as deep as the picture lets it be, with three strided layers at most. What stands for the paper's batch
    normalisation works on the channels of each place, so that neither items nor patches know of each other.

    Args:
        shape: (H, W) or (C, H, W), of 3 by 3 pixels at least.
        width: the channels of the first layer; each strided layer has twice as many, up to eight times.

    Attributes:
        reach: how many pixels wide and high a patch is.

    Forward: x (B, *shape) -> (B, h, w).

    Example:
        >>> net = PatchCritic((3, 64, 48), width=8)
        >>> net(torch.zeros(2, 3, 64, 48)).shape, net.reach
        (torch.Size([2, 6, 4]), 70)
        >>> PatchCritic((8, 8), width=8).reach
        16
    """

    cites: ClassVar[tuple[str, ...]] = ("isola2017",)

    def __init__(self, shape: Sequence[int], *, width: int = 64) -> None:
        super().__init__()
        self.shape = tuple(shape)
        last, h, w = picture_shape(shape)
        if min(h, w) < LEAST:
            raise Mistake(f"got pictures of {h} x {w} and a judge of patches wants {LEAST} x {LEAST} at least.")
        depth = max(n for n in range(DEEPEST + 1) if n == 0 or min(h, w) // 2**n > 2)
        layers: list[nn.Module] = []
        require_count("width", width)
        for i in range(depth + 1):
            out = width * min(2**i, WIDEST)
            layers += [nn.Conv2d(last, out, 4, stride=2 if i < depth else 1, padding=1), *([ByChannel()] if i else [])]
            layers += [nn.LeakyReLU(0.2)]
            last = out
        # no bias in the last: features of variance 1 behind a leaky rectifier hold a constant already
        self.layers = nn.Sequential(*layers, nn.Conv2d(last, 1, 4, padding=1, bias=False))
        keep_variance(channels_last(self.layers))
        self.reach = 7
        for _ in range(depth):
            self.reach = 2 * self.reach + 2

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x.unsqueeze(1) if len(self.shape) == 2 else x)
        return out.squeeze(1)


class ByChannel(nn.Module):
    """The channels of each place at mean 0 and variance 1, (B, C, H, W) both."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
        return (x - mean) * (variance + 1e-6).rsqrt()
