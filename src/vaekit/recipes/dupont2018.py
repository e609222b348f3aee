r"""Learning Disentangled Joint Continuous and Discrete Representations: Dupont 2018, https://arxiv.org/abs/1804.00104.

.. math:: \max E \log p(x|z, c) - \gamma\, |KL_z - C_z| - \gamma\, |KL_c - C_c|
"""

from __future__ import annotations

__all__ = ["joint_vae"]

import dataclasses
import math
from functools import partial

from vaekit.objectives import BlockCapacity, Recipe, Reconstruction
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import GaussianCategorical
from vaekit.recipes.compose import latent_size
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def joint_vae(
    *,
    latent_dim: int | None = None,
    variables: int = 1,
    levels: int = 10,
    gamma: float = 30.0,
    capacity: float = 5.0,
    category_capacity: float = 5.0,
    **vae_arguments: object,
) -> Recipe:
    """A VAE of Gaussian and categorical latents, whose two rates are led to capacities that grow over half of the run.

    Args:
        latent_dim: Gaussian latents.
        variables: categorical latents.
        levels: values of each.
        gamma: how strictly.
        capacity: nats of the Gaussian latents, at the end.
        category_capacity: nats of the categorical ones, at the end; N log K at most.
        vae_arguments: as for `vae`.
    """
    reals = latent_size(vae_arguments["shape"], latent_dim)  # type: ignore[arg-type]
    posterior = partial(GaussianCategorical, variables=variables, levels=levels)
    recipe = vae(latent_dim=reals + variables * levels, posterior=posterior, **vae_arguments)
    most = variables * math.log(levels)
    objective = (
        Reconstruction()
        + BlockCapacity(0, gamma, Linear(0.0, capacity, steps=0.5))
        + BlockCapacity(1, gamma, Linear(0.0, min(category_capacity, most), steps=0.5))
    )
    return dataclasses.replace(recipe, objective=objective)
