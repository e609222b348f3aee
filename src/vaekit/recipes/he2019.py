r"""Lagging Inference Networks and Posterior Collapse in Variational Autoencoders: He et al. 2019,
https://arxiv.org/abs/1901.05534.

.. math:: \phi \text{ moves } n \text{ times for each move of } \theta
"""

from __future__ import annotations

__all__ = ["lagging_vae"]

import dataclasses
from typing import Any

from vaekit.messages import require_count
from vaekit.objectives import ELBO, Aggressive, Recipe
from vaekit.objectives.schedules import Switch
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def lagging_vae(*, inner: int = 10, share: float = 0.3, **vae_arguments: object) -> Recipe:
    """A VAE whose encoder moves several times for each move of the decoder in the first part of the run.

    The paper ends that part when the mutual information stops to grow; here it is a share of the run.

    Args:
        inner: moves of the encoder to one of the decoder.
        share: of the run, below 1.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    posterior: Any = recipe.model.posterior
    several = Switch(float(require_count("inner", inner)), 1.0, steps=share)
    game = Aggressive(inner=several, model=ELBO(), encoder=ELBO(), owns={"encoder": [posterior]})
    return dataclasses.replace(recipe, objective=game)
