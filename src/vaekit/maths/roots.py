"""The root of an increasing function, with the gradient that the implicit function theorem gives it."""

from __future__ import annotations

__all__ = ["increasing_root"]

from collections.abc import Callable

import torch
from torch import Tensor

HALVINGS = 60  # of the bracket: past the last digit of float64
SLOPE = 1e-6  # the least that a step divides by


def increasing_root(function: Callable[[Tensor], tuple[Tensor, Tensor]], low: Tensor, high: Tensor) -> Tensor:
    """Where an increasing function is 0, element by element; its first derivatives are exact.

    Args:
        function: x -> its value and its slope, which is above 0.
        low, high: a bracket.

    Example:
        >>> two = torch.tensor(2.0, requires_grad=True)
        >>> x = increasing_root(lambda x: (x * x * x - two, 3 * x * x), torch.tensor(0.0), torch.tensor(4.0))
        >>> round(float(x), 4), round(float(torch.autograd.grad(x, two)[0]), 4)
        (1.2599, 0.21)
    """
    with torch.no_grad():
        low, high = low.detach(), high.detach()
        for _ in range(HALVINGS if low.dtype == torch.float64 else HALVINGS // 2):
            middle = 0.5 * (low + high)
            above = function(middle)[0] > 0
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        x = 0.5 * (low + high)
    value, slope = function(x)
    return x - value / slope.detach().clamp_min(SLOPE)
