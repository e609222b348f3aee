r"""Taming VAEs: Rezende and Viola 2018, https://arxiv.org/abs/1810.00597.

.. math:: \min KL \quad \text{where} \quad D \le D^*
"""

from __future__ import annotations

__all__ = ["geco_vae"]

import dataclasses

from vaekit.objectives import GECO, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def geco_vae(*, distortion: float, **vae_arguments: object) -> Recipe:
    """A VAE with the least rate at which the distortion is what you allow.

    Args:
        distortion: nats an item, in the model's units.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=GECO(distortion))
