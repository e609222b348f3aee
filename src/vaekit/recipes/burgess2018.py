r"""Understanding disentangling in beta-VAE: Burgess et al. 2018, https://arxiv.org/abs/1804.03599.

.. math:: \max E \log p(x|z) - \gamma |KL - C|
"""

from __future__ import annotations

__all__ = ["annealed_vae"]

import dataclasses

from vaekit.objectives import Capacity, Recipe, Reconstruction
from vaekit.objectives.schedules import Linear
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def annealed_vae(*, gamma: float = 100.0, capacity: float = 25.0, **vae_arguments: object) -> Recipe:
    """A VAE whose rate is led to a capacity that grows over the first half of the run: pythae's DisentangledBetaVAE.

    It is the mean rate of a batch, as in disentanglement_lib; pythae leads each item's own rate there.

    Args:
        gamma: how strictly.
        capacity: nats, at the end.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(
        vae(**vae_arguments), objective=Reconstruction() + Capacity(gamma, Linear(0.0, capacity, steps=0.5))
    )
