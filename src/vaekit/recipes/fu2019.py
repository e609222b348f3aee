r"""Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing: Fu et al. 2019,
https://arxiv.org/abs/1903.10145.

.. math:: \beta_t = \min(\tau / R, 1), \quad \tau = \mathrm{mod}(t - 1, T / M) / (T / M)
"""

from __future__ import annotations

__all__ = ["cyclical_vae"]

from vaekit.messages import Mistake, require_count
from vaekit.objectives import Recipe
from vaekit.objectives.schedules import Cyclical
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def cyclical_vae(*, cycles: int = 4, rising: float = 0.5, **vae_arguments: object) -> Recipe:
    """A VAE whose rate's weight rises from 0 to 1 again and again.

    Args:
        cycles: in the run, 2 or more.
        rising: the share of each in which the weight rises; for the rest it is 1.
        vae_arguments: as for `vae`.
    """
    if require_count("cycles", cycles) < 2:
        raise Mistake("got cycles=1 and wanted 2 or more: one rise is what the recipe 'vae' does.")
    return vae(beta=Cyclical(0.0, 1.0, steps=1 / cycles, rising=rising), **vae_arguments)
