"""Halving and doubling of maps with shortcuts that only average and repeat (Chen et al. 2024, arXiv:2410.10733)."""

from __future__ import annotations

__all__ = ["Doubling", "Halving"]

from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from vaekit.messages import Mistake
from vaekit.networks.initial import keep_variance
from vaekit.networks.residual import FAINT


class Halving(nn.Module):
    """A map of half the height and width: space becomes channels, and channels in groups their mean.

    A 3x3 convolution works beside it and is added; at weights of zero the shortcut is all there is (Chen et al. 2024,
    arXiv:2410.10733). Odd sizes are made even by repeating the last row or column.

    Args:
        channels: of the map that comes in.
        out: of the one that goes out; it divides four times the other.

    Example:
        >>> import torch
        >>> net = Halving(1, 1)
        >>> _ = nn.init.zeros_(net.conv.weight)
        >>> net(torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]]))
        tensor([[[[3.]]]], grad_fn=<AddBackward0>)
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        if 4 * channels % out:
            raise Mistake(f"got {out} channels after {channels} and wanted a number that divides {4 * channels}.")
        self.out = out
        self.conv = nn.Conv2d(channels, out, 3, stride=2, padding=1)
        keep_variance(self.conv)
        self.conv.weight.data.mul_(FAINT)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        even = pad(x, (0, w % 2, 0, h % 2), mode="replicate") if h % 2 or w % 2 else x
        mean = pixel_unshuffle(even, 2).unflatten(1, (self.out, -1)).mean(2)
        out: Tensor = mean + self.conv(x)
        return out


class Doubling(nn.Module):
    """A map of twice the height and width: channels are repeated, and become space.

    What `Halving` does to a map and this undoes are means in groups of four pixels, of two or of one, as the channels
    are as many, twice or four times as many below. A 3x3 convolution works beside it (Chen et al. 2024,
    arXiv:2410.10733).

    Args:
        channels: of the map that comes in.
        out: of the one that goes out; the other divides four times this.

    Example:
        >>> import torch
        >>> net = Doubling(1, 1)
        >>> _ = nn.init.zeros_(net.conv.weight)
        >>> net(torch.tensor([[[[3.0]]]])).tolist()
        [[[[3.0, 3.0], [3.0, 3.0]]]]
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        if 4 * out % channels:
            raise Mistake(f"got {out} channels from {channels} and wanted a number four times which they divide.")
        self.copies = 4 * out // channels
        self.conv = nn.Conv2d(channels, 4 * out, 3, padding=1)
        keep_variance(self.conv)
        self.conv.weight.data.mul_(FAINT)

    def forward(self, x: Tensor) -> Tensor:
        return pixel_shuffle(x.repeat_interleave(self.copies, 1) + self.conv(x), 2)
