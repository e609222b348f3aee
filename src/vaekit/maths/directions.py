r"""How far samples of a von Mises-Fisher distribution stay behind its direction, with the gradient of it.

.. math:: g = 1 - \mu \cdot z, \quad p(g) \propto e^{-\kappa g} (g (2 - g))^{(D - 3) / 2}, \qquad
          \frac{dg}{d\kappa} = -\frac{\partial_\kappa F(g; \kappa)}{p(g; \kappa)}
"""

from __future__ import annotations

__all__ = ["vmf_gap"]

import functools

import numpy as np
import torch
from torch import Tensor

from vaekit.maths.bessel import log_bessel, slope

PROPOSALS = 32  # each is taken with a probability of 0.65 or more
NODES = 48


def vmf_gap(dim: int, concentration: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
    """g, (*shape, *batch) in float64; differentiable once in the concentration.

    Args:
        dim: D, 2 or more.
        concentration: kappa (*batch), 0 or more.
        shape: of the draws of each.

    Example:
        >>> vmf_gap(3, torch.full((2,), 1e5), (1000,)).mean(0).round(decimals=5).tolist()
        [1e-05, 1e-05]
    """
    k = concentration.double()
    learning = torch.is_grad_enabled()  # stacked tensors do not tell whether they carry a gradient
    with torch.no_grad():
        gap = _accepted(dim, k, shape)
        rate = _rate(dim, k, gap) if learning else None
    return gap if rate is None else gap + rate * (k - k.detach())


def _accepted(dim: int, k: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Rejection from a Beta envelope: Wood 1994, Simulation of the von Mises Fisher distribution."""
    a = dim - 1.0
    b = a / (2 * k + torch.sqrt(4 * k.square() + a * a))
    u = torch.rand((3, PROPOSALS, *shape, *k.shape), dtype=k.dtype, device=k.device)
    # one coordinate of a uniform direction, from two that are uniform in a ring or in a disc raised to a power
    ring = torch.ones_like(u[0]) if dim == 2 else (1 - u[0] ** (2 / (dim - 2))).sqrt()
    low, high = (0.5 * (1 + sign * ring * torch.cos(2 * torch.pi * u[1])) for sign in (1, -1))
    gap = 2 * b * low / (high + b * low)  # low + high = 1; their sum is taken where it keeps its digits
    edge = 2 * b / (1 + b)  # 1 - x0, the envelope's centre
    inside = (edge + (1 - edge) * gap) / (edge * (2 - edge))
    accepted = k * (edge - gap) + a * inside.log() >= u[2].log()
    first = accepted.int().argmax(0, keepdim=True)
    taken: Tensor = gap.gather(0, first).squeeze(0)
    return taken.clamp(torch.finfo(k.dtype).tiny, 2.0)


def _rate(dim: int, k: Tensor, gap: Tensor) -> Tensor:
    """dg / dkappa by quadrature over the angle, on the side of g where the integrand has one sign."""
    order = 0.5 * dim - 1
    ratio = log_bessel(order, k)[1]
    behind = 1 - ratio  # the mean of g
    spread = slope(order, k, ratio).clamp_min(0).sqrt()  # its standard deviation
    reach = 12 * spread + 36 / k.clamp_min(1e-12)  # beyond, exp(-36) of the density is left
    below = gap < behind
    low = torch.where(below, (gap - reach).clamp_min(0), gap)
    high = torch.where(below, gap, torch.minimum(gap + reach, torch.full_like(gap, 2.0)))
    ends = [2 * torch.asin((0.5 * end).clamp(0, 1).sqrt()) for end in (low, high)]
    nodes, weights = (torch.tensor(part, dtype=k.dtype, device=k.device) for part in _legendre())
    half = 0.5 * (ends[1] - ends[0]).unsqueeze(-1)
    angle = ends[0].unsqueeze(-1) + half * (1 + nodes)  # (..., NODES)
    sine, here = torch.sin(angle), 2 * torch.sin(0.5 * angle).square()
    own = (gap * (2 - gap)).clamp_min(torch.finfo(k.dtype).tiny).sqrt().unsqueeze(-1)
    log_share = k.unsqueeze(-1) * (gap.unsqueeze(-1) - here) + (dim - 2) * (sine / own).log()
    found = (half * weights * (behind.unsqueeze(-1) - here) * log_share.exp()).sum(-1) * own.squeeze(-1)
    return torch.where(below, -found, found)


@functools.cache
def _legendre() -> tuple[list[float], list[float]]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes.tolist(), weights.tolist()
