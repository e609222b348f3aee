r"""ControlVAE: Controllable Variational Autoencoder: Shao et al. 2020, https://arxiv.org/abs/2004.05988.

.. math:: \min D + \beta_t KL, \quad KL \to C
"""

from __future__ import annotations

__all__ = ["control_vae"]

import dataclasses

from vaekit.objectives import ControlledRate, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def control_vae(*, rate: float = 10.0, **vae_arguments: object) -> Recipe:
    """A VAE whose rate is held at what you ask for by a controller of its weight.

    Args:
        rate: nats an item.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=ControlledRate(rate))
