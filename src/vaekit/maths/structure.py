r"""Structural similarity of pictures, single and multi-scale, with gradients.

.. math:: \mathrm{SSIM} = \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}
    {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}, \quad C_i = (K_i L)^2
"""

from __future__ import annotations

__all__ = ["SCALES", "similarity", "similarity_scales", "similarity_window"]

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

WINDOW, SIGMA = 11, 1.5  # pixels (Wang et al. 2004)
K1, K2 = 0.01, 0.03
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the weights of the scales (Wang et al. 2003)


def similarity(a: Tensor, b: Tensor, *, peak: float | Tensor, scales: int = 1, least: float = 0.0) -> Tensor:
    """The structural similarity of each pair of pictures, the mean over channels, (N,), in their own precision.

    Args:
        a, b: (N, C, H, W).
        peak: the width of the range of values.
        scales: at most how many; those are taken whose pictures still hold the window,
            with their weights in proportion.
        least: what smaller contrasts of several scales count as: above 0 where a gradient is taken, since the
            slope of a fractional power is infinite at 0.

    Example:
        >>> x = torch.rand(2, 1, 9, 9)
        >>> similarity(x, x, peak=1.0).tolist()
        [1.0, 1.0]
    """
    scales = min(scales, similarity_scales(a.shape))
    size, sigma = similarity_window(a.shape)
    weights = torch.tensor(SCALES[:scales], dtype=a.dtype, device=a.device)
    found = []
    for scale in range(scales):
        light, contrast = _similarities(a, b, size, sigma, peak)
        if scales == 1:
            return (light * contrast).flatten(1).mean(1)
        value = light * contrast if scale == scales - 1 else contrast
        found.append(value.flatten(2).mean(2).clamp(min=least))  # (N, C)
        a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
    powers = torch.stack(found, -1) ** (weights / weights.sum())  # (N, C, scales)
    return powers.prod(-1).mean(1)


def similarity_window(shape: Sequence[int]) -> tuple[int, float]:
    """The window's size and sigma in pixels: 11 and 1.5, in smaller pictures the largest odd size that fits.

    Example:
        >>> similarity_window((28, 28)), similarity_window((5, 8))[0]
        ((11, 1.5), 5)
    """
    size = min(WINDOW, (min(shape[-2:]) - 1) // 2 * 2 + 1)
    return size, SIGMA * size / WINDOW


def similarity_scales(shape: Sequence[int]) -> int:
    """How many scales have pictures that still hold the window, 1 at least and 5 at most.

    Example:
        >>> similarity_scales((8, 8)), similarity_scales((28, 28)), similarity_scales((256, 256))
        (1, 2, 5)
    """
    return max(1, min(len(SCALES), int(math.log2(max(1.0, min(shape[-2:]) / WINDOW))) + 1))


def _similarities(a: Tensor, b: Tensor, size: int, sigma: float, peak: float | Tensor) -> tuple[Tensor, Tensor]:
    """The luminance and the contrast-structure factors at each place of the window, (N, C, H', W') each."""
    place = torch.arange(size, dtype=a.dtype, device=a.device) - (size - 1) / 2
    kernel = (-(place**2) / (2 * sigma**2)).exp()
    kernel = kernel / kernel.sum()

    def smooth(x: Tensor) -> Tensor:
        flat = functional.conv2d(x.flatten(0, 1)[:, None], kernel.view(1, 1, 1, -1))
        return functional.conv2d(flat, kernel.view(1, 1, -1, 1)).unflatten(0, x.shape[:2])[:, :, 0]

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = (smooth(a * a) - mean_a**2).clamp(min=0), (smooth(b * b) - mean_b**2).clamp(min=0)
    both = smooth(a * b) - mean_a * mean_b
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return light, (2 * both + c2) / (var_a + var_b + c2)
