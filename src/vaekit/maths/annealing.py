r"""The mean weight of normal draws where few of them carry it, by steps from N(0, I) to where it lies.

.. math:: \log E[e^{f(z)}] = \sum_k \log E_{k-1}[e^{(b_k - b_{k-1}) f(z)}], \quad
          p_k(z) \propto e^{b_k f(z)} N(z; 0, I), \quad b_k = (k / K)^2

Annealed importance sampling: Neal 2001; with resampling: Del Moral, Doucet and Jasra 2006.
"""

from __future__ import annotations

__all__ = ["annealed_log_mean"]

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaekit.maths.langevin import langevin

SIZE = 0.8  # of a Langevin step: most are kept in some tens of dimensions


def annealed_log_mean(log_weight: Callable[[Tensor], Tensor], noise: Tensor, *, stages: int = 128) -> Tensor:
    """log E[exp(f(z))] under N(0, I) by each set of draws, without gradients; exp of it is right in the mean.

    Args:
        log_weight: f, (*leading, D) -> (*leading).
        noise: the draws to start from, (S, N, D).
        stages: K.

    Returns:
        (S,).

    Example:
        >>> found = annealed_log_mean(lambda z: 6 * z.sum(-1), torch.randn(4, 100, 1))
        >>> bool(((found - 18).abs() < 2).all())
        True
    """
    with torch.no_grad():
        z, before = noise, 0.0
        sets, n = noise.shape[:2]
        found = noise.new_zeros(sets)
        steps = torch.arange(n, dtype=noise.dtype, device=noise.device)
        for stage in range(1, stages + 1):
            share = (stage / stages) ** 2
            gained = (share - before) * log_weight(z)  # (S, N)
            found = found + torch.logsumexp(gained, -1) - math.log(n)
            places = (steps + torch.rand(sets, 1, dtype=noise.dtype, device=noise.device)) / n
            kept = torch.searchsorted(gained.softmax(-1).cumsum(-1), places).clamp_max(n - 1)  # systematic
            z = z.gather(1, kept.unsqueeze(-1).expand_as(z))

            def log_density(z: Tensor, share: float = share) -> Tensor:
                return share * log_weight(z) - 0.5 * z.square().sum(-1)

            z, before = langevin(log_density, z, steps=1, size=SIZE), share
        return found
