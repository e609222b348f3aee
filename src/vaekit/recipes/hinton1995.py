r"""The wake-sleep algorithm for unsupervised neural networks: Hinton, Dayan, Frey and Neal 1995,
https://doi.org/10.1126/science.7761831.

.. math:: \theta: E_{q(z|x)} \log p(x, z), \qquad \phi: E_{p(x, z)} \log q(z|x)
"""

from __future__ import annotations

__all__ = ["wake_sleep"]

import dataclasses
from typing import Any

from vaekit.objectives import ELBO, Game, Recipe, Sleep
from vaekit.posteriors import Bernoulli, Posterior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def wake_sleep(*, posterior: type[Posterior] = Bernoulli, **vae_arguments: object) -> Recipe:
    """The Helmholtz machine: awake the model learns from the encoder's latents, asleep the encoder from its dreams.

    Args:
        posterior: a class of vk.posteriors; binary latents where nothing is given.
        vae_arguments: as for `vae`.
    """
    recipe = vae(posterior=posterior, **vae_arguments)
    encoder: Any = recipe.model.posterior
    return dataclasses.replace(recipe, objective=Game(model=ELBO(), posterior=Sleep(), owns={"posterior": [encoder]}))
