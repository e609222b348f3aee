r"""Leapfrog steps of Hamilton's equations, with tempering, that gradients pass through.

.. math:: v' = v + \tfrac{\epsilon}{2} \nabla \log f(z), \quad z_{k+1} = z + \epsilon v', \quad
          v_{k+1} = \alpha_k \left(v' + \tfrac{\epsilon}{2} \nabla \log f(z_{k+1})\right)
"""

from __future__ import annotations

__all__ = ["force_of", "tempered_leapfrog"]

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def tempered_leapfrog(
    log_density: Callable[[Tensor], Tensor],
    z: Tensor,
    v: Tensor,
    step: Tensor | float,
    scales: Iterable[Tensor | float],
) -> tuple[Tensor, Tensor]:
    """Where (z, v) goes, (*leading, D) each; the map's log|det| is D sum_k log alpha_k, whatever the density is.

    Without gradients enabled it works too, and holds no graph.

    Args:
        log_density: (*leading, D) -> (*leading), each row by itself.
        z: the places.
        v: the momenta.
        step: epsilon, broadcastable to z; it may differ between items and dimensions.
        scales: alpha, what the momentum is multiplied by after each step; 1 leaves the energy nearly as it was.

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> with torch.no_grad():
        ...     tempered_leapfrog(lambda z: -0.5 * z.square().sum(-1), one, zero, 0.1, [1.0] * 10)
        (tensor([0.5400]), tensor([-0.8406]))
    """
    force = force_of(log_density)
    push = force(z)
    for scale in scales:
        half = v + 0.5 * step * push
        z = z + step * half
        push = force(z)
        v = scale * (half + 0.5 * step * push)
    return z, v


def force_of(log_density: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The gradient of a log-density, (*leading, D) -> (*leading, D); gradients pass through it where they are on."""
    keep = torch.is_grad_enabled()

    def force(z: Tensor) -> Tensor:
        with torch.enable_grad():
            place = z if keep and z.requires_grad else z.detach().requires_grad_()
            (found,) = torch.autograd.grad(log_density(place).sum(), place, create_graph=keep)
        return found if keep else found.detach()

    return force
