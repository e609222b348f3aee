r"""Langevin steps that keep a density, by acceptance.

.. math:: z' = z + \tfrac{s^2}{2} \nabla \log f(z) + s\, \epsilon
"""

from __future__ import annotations

__all__ = ["langevin"]

from collections.abc import Callable

import torch
from torch import Tensor


def langevin(log_density: Callable[[Tensor], Tensor], z: Tensor, *, steps: int, size: float) -> Tensor:
    """Where chains at z, (*leading, D), are after some steps; no gradient is kept.

    A step is kept or undone by Metropolis' rule (Roberts and Tweedie 1996), so that the density stays as it is
    whatever the size; without it short steps would leave another one.

    Args:
        log_density: (*leading, D) -> (*leading), up to a constant, each row by itself.
        z: the places.
        steps: how many.
        size: s.

    Example:
        >>> z = langevin(lambda z: -0.5 * z.square().sum(-1), torch.zeros(1000, 1), steps=50, size=0.7)
        >>> 0.85 < float(z.std()) < 1.15
        True
    """

    def slope(place: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            place = place.detach().requires_grad_()
            value = log_density(place)
            (found,) = torch.autograd.grad(value.sum(), place)
        return value.detach(), found

    z = z.detach()
    value, push = slope(z)
    for _ in range(steps):
        noise = torch.randn_like(z)
        new = z + 0.5 * size**2 * push + size * noise
        new_value, new_push = slope(new)
        back = (z - new - 0.5 * size**2 * new_push) / size  # the noise of the step that would lead back
        gain = new_value - value + 0.5 * (noise.square() - back.square()).sum(-1)
        kept = torch.rand_like(gain).log() < gain
        z = torch.where(kept.unsqueeze(-1), new, z)
        push = torch.where(kept.unsqueeze(-1), new_push, push)
        value = torch.where(kept, new_value, value)
    return z
