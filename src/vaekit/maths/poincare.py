r"""The Poincare ball of curvature -c, whose points have norms below 1 / sqrt(c).

.. math:: x \oplus y = \frac{(1 + 2c\, x \cdot y + c|y|^2)\, x + (1 - c|x|^2)\, y}
                            {1 + 2c\, x \cdot y + c^2 |x|^2 |y|^2},
          \qquad \lambda_x = \frac{2}{1 - c|x|^2}

Tangent vectors v at x are given in units of length, so that exp_x(v) lies at the distance |v| from x. Points come no
nearer to the edge than where their own type still tells distances apart.

Hyperbolic Neural Networks: Ganea, Bécigneul and Hofmann 2018, arXiv:1805.09112.
"""

from __future__ import annotations

__all__ = ["ball_exp", "ball_log", "inside", "log_conformal", "log_spread", "mobius_add"]

import math

import torch
from torch import Tensor

EDGE = {torch.float64: 1e-12, torch.float32: 1e-5}  # the least 1 - sqrt(c) |x|; of others 1e-3
SMALL = 1e-3  # below, series: their next terms are 1e-13 and less


def mobius_add(x: Tensor, y: Tensor, c: float) -> Tensor:
    """x + y in the ball, (*leading, D).

    Example:
        >>> x = torch.tensor([0.3, 0.4])
        >>> mobius_add(-x, mobius_add(x, torch.tensor([0.2, 0.5]), 1.0), 1.0)
        tensor([0.2000, 0.5000])
    """
    xy, xx, yy = (2 * c * (x * y).sum(-1, keepdim=True), c * _square(x), c * _square(y))
    return ((1 + xy + yy) * x + (1 - xx) * y) / (1 + xy + xx * yy).clamp_min(1e-30)


def ball_exp(x: Tensor, v: Tensor, c: float) -> Tensor:
    """The point at the distance |v| from x in the direction of v, (*leading, D).

    Example:
        >>> ball_exp(torch.zeros(2), torch.tensor([2.0, 0.0]), 1.0)[0] == torch.tanh(torch.tensor(1.0))
        tensor(True)
    """
    size = math.sqrt(c) * _norm(v)
    there = size > SMALL
    safe = torch.where(there, size, torch.ones_like(size))
    share = torch.where(there, torch.tanh(0.5 * safe) / safe, 0.5 - size.square() / 24)
    return inside(mobius_add(x, share * v, c), c)


def ball_log(x: Tensor, z: Tensor, c: float) -> Tensor:
    """The tangent vector v at x with exp_x(v) = z, (*leading, D); |v| is the distance of z from x.

    Example:
        >>> x, z = torch.tensor([0.1, 0.2]), torch.tensor([-0.4, 0.5])
        >>> bool(torch.allclose(ball_exp(x, ball_log(x, z, 1.0), 1.0), z))
        True
    """
    between = math.sqrt(c) * mobius_add(-x, z, c)
    t = _norm(between)
    # 1 - t^2 by its factors, which keep the digits that a difference loses near the edge
    meeting = 1 - 2 * c * (x * z).sum(-1, keepdim=True) + c * c * _square(x) * _square(z)
    gap = (1 - c * _square(x)) * (1 - c * _square(z)) / meeting.clamp_min(1e-30)
    there = t > SMALL
    safe = torch.where(there, t, torch.ones_like(t))
    far = (torch.log1p(safe) - 0.5 * torch.where(there, gap, torch.ones_like(gap)).clamp_min(1e-30).log()) / safe
    share = torch.where(there, far, 1 + t.square() / 3)  # artanh(t) / t
    return 2 / math.sqrt(c) * share * between


def log_conformal(x: Tensor, c: float) -> Tensor:
    """log lambda_x, (*leading): lengths at x are lambda_x times as long as they look."""
    return math.log(2) - (1 - c * _square(x)).clamp_min(1e-30).log().squeeze(-1)


def log_spread(r: Tensor, c: float) -> Tensor:
    """log of sinh(s) / s, s = sqrt(c) r: by how much geodesics have spread apart at the distance r.

    Example:
        >>> log_spread(torch.tensor([0.0, 1.0]), 1.0)
        tensor([0.0000, 0.1614])
    """
    s = math.sqrt(c) * r
    there = s > SMALL
    safe = torch.where(there, s, torch.ones_like(s))
    return torch.where(there, safe + (-torch.expm1(-2 * safe) / (2 * safe)).log(), s.square() / 6)


def inside(x: Tensor, c: float, dtype: torch.dtype | None = None) -> Tensor:
    """x, moved along its ray to where a type still tells distances apart (its own, or the one given)."""
    most = (1 - EDGE.get(dtype if dtype is not None else x.dtype, 1e-3)) / math.sqrt(c)
    return x * (most / _norm(x).clamp_min(most))


def _square(x: Tensor) -> Tensor:
    return x.square().sum(-1, keepdim=True)


def _norm(x: Tensor) -> Tensor:
    """|x|, (*leading, 1), whose gradient is 0 at 0."""
    square = _square(x)
    there = square > 0
    return torch.where(there, torch.where(there, square, torch.ones_like(square)).sqrt(), torch.zeros_like(square))
