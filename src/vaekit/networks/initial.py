"""First weights that keep the signal's size from layer to layer (He et al. 2015, arXiv:1502.01852)."""

from __future__ import annotations

__all__ = ["keep_variance"]

import math

from torch import nn


def keep_variance(layers: nn.Module) -> None:
    """Draw the weights with variance gain / fan-in, gain 2 (1 where tanh follows), and no bias.

    torch's own first weights shrink the signal at every rectified layer. In a decoder that makes the latents inaudible
    at first, the rate is then cheaper to drop than to use, and convolutional VAEs collapse onto their prior.
    """
    gain = 1.0 if any(isinstance(m, nn.Tanh) for m in layers.modules()) else 2.0
    for layer in layers.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            fan_in: float = layer.weight[0].numel()
        elif isinstance(layer, nn.ConvTranspose2d):  # each output is reached by one in stride^2 of the kernel
            fan_in = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
        else:
            continue
        nn.init.normal_(layer.weight, std=math.sqrt(gain / fan_in))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
