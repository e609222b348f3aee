r"""Monotone splines of rational quadratics: Neural Spline Flows, Durkan et al. 2019, https://arxiv.org/abs/1906.04032.

.. math:: y = y_k + h_k \frac{s_k \xi^2 + d_k \xi (1 - \xi)}{s_k + (d_{k+1} + d_k - 2 s_k)\, \xi (1 - \xi)}, \quad
          \xi = (x - x_k) / w_k, \quad s_k = h_k / w_k
"""

from __future__ import annotations

__all__ = ["rational_quadratic"]

import torch
from torch import Tensor
from torch.nn.functional import pad


def rational_quadratic(
    x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, *, back: bool
) -> tuple[Tensor, Tensor]:
    """A spline from [-R, R] onto itself, the identity outside, and the log of its slope.

    Args:
        x: (*shape), where it is taken; the values, where `back`.
        widths, heights: (*shape, K) of the bins, positive, with the sum 2 R each.
        slopes: (*shape, K - 1) at the knots between bins, positive; at the ends it is 1.
        back: whether it is the inverse that is taken; the slope is that of the spline itself still.

    Example:
        >>> two = torch.full((1, 2), 1.0)
        >>> rational_quadratic(torch.tensor([0.5]), two, two, torch.ones(1, 1), back=False)
        (tensor([0.5000]), tensor([0.]))
    """
    reach = 0.5 * widths.sum(-1)
    inside = x.abs() < reach
    x_knots, y_knots = (pad(t.cumsum(-1), (1, 0)) - reach.unsqueeze(-1) for t in (widths, heights))
    d = pad(slopes, (1, 1), value=1.0)
    at = x.masked_fill(~inside, 0.0).unsqueeze(-1)
    knots = y_knots if back else x_knots
    k = (at >= knots[..., 1:-1]).sum(-1, keepdim=True)  # the bin

    def of(t: Tensor, shift: int = 0) -> Tensor:
        t = t.expand(*k.shape[:-1], t.shape[-1])
        return t.gather(-1, k + shift).squeeze(-1)

    w, h, low, d0, d1 = of(widths), of(heights), of(knots), of(d), of(d, 1)
    s = h / w
    bow = d0 + d1 - 2 * s
    away = at.squeeze(-1) - low
    if back:
        a, b, c = h * (s - d0) + away * bow, h * d0 - away * bow, -s * away
        xi = 2 * c / (-b - (b.square() - 4 * a * c).clamp_min(0).sqrt())
    else:
        xi = away / w
    mixed = xi * (1 - xi)
    below = s + bow * mixed
    log_slope = 2 * s.log() + (d1 * xi.square() + 2 * s * mixed + d0 * (1 - xi).square()).log() - 2 * below.log()
    out = of(x_knots) + w * xi if back else of(y_knots) + h * (s * xi.square() + d0 * mixed) / below
    return torch.where(inside, out, x), log_slope.masked_fill(~inside, 0.0)
