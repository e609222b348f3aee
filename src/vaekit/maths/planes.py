"""What is done to planes, each item by its own: quarter turns, and shrinking about the middle."""

from __future__ import annotations

__all__ = ["shrunk", "turned"]

import math

import torch
from torch import Tensor


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Planes (B, C, H, W) turned anticlockwise by as many quarters, (B,) whole numbers; H = W unless all are even.

    Example:
        >>> turned(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([1])).tolist()
        [[[[2.0, 4.0], [1.0, 3.0]]]]
    """
    step = 1 if x.shape[-1] == x.shape[-2] else 2
    every = torch.stack([x.rot90(k, (-2, -1)) for k in range(0, 4, step)])  # (4 or 2, B, C, H, W)
    return every[turns % 4 // step, torch.arange(len(x), device=x.device)]


def shrunk(x: Tensor, scale: Tensor, least: float) -> Tensor:
    """Planes (B, C, H, W) with all lengths times a scale, (B,) from `least` to 1, and the middle where it was.

    Beyond their borders the planes go on as in a mirror, so that the size stays. Each value is a mean by distance, over
    2 / scale places across: the triangle that linear interpolation has, widened so that nothing in between is left out.

    Example:
        >>> shrunk(torch.tensor([[[[0.0, 4.0, 0.0, 8.0]]]]), torch.tensor([0.5]), 0.5)[0, 0, 0].tolist()
        [1.5, 1.5, 4.5, 4.5]
    """
    with torch.autocast(x.device.type, enabled=False):
        rows, columns = (_shares(scale.to(x), n, least).unsqueeze(1) for n in x.shape[-2:])
        return rows @ x @ columns.mT


def _shares(scale: Tensor, n: int, least: float) -> Tensor:
    """How much each of n places in a line gets from each, (B, n, n); rows sum to 1."""
    reach = math.ceil((0.5 + 1 / n) / least)  # mirrored lines on either side
    place = torch.arange(n, dtype=scale.dtype, device=scale.device) + 0.5
    at = (place - n / 2) / scale.unsqueeze(1) + n / 2  # (B, n)
    there = torch.arange(-reach * n, (reach + 1) * n, dtype=scale.dtype, device=scale.device) + 0.5
    weight = (1 - (at.unsqueeze(2) - there).abs() * scale.view(-1, 1, 1)).clamp_min(0)
    lines = weight.unflatten(2, (2 * reach + 1, n))  # (B, n, lines, n)
    plain, mirrored = lines[:, :, reach % 2 :: 2].sum(2), lines[:, :, 1 - reach % 2 :: 2].sum(2)
    total = plain + mirrored.flip(-1)
    return total / total.sum(-1, keepdim=True)
