r"""Buy 4 REINFORCE Samples, Get a Baseline for Free!: Kool, van Hoof and Welling 2019,
https://openreview.net/forum?id=r1lgTGL5DE.

.. math:: \tfrac1K \sum_k \Bigl( f(z_k) - \tfrac{1}{K-1} \sum_{j \ne k} f(z_j) \Bigr) \nabla \log q(z_k|x)
"""

from __future__ import annotations

__all__ = ["categorical_vae", "reinforce_vae"]

import dataclasses
from functools import partial

from vaekit.objectives import REINFORCE, Recipe
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import Bernoulli, Categorical
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def reinforce_vae(*, samples: int = 4, **vae_arguments: object) -> Recipe:
    """A VAE of binary latents without any relaxation: draws are compared with each other.

    Args:
        samples: draws of z, 2 or more.
        vae_arguments: as for `vae`.
    """
    objective = REINFORCE(samples, beta=Linear(0.1, 1.0, steps=0.2))
    return dataclasses.replace(vae(posterior=Bernoulli, **vae_arguments), objective=objective)


@extends(vae, without=("beta", "posterior", "latent_dim"))
def categorical_vae(*, variables: int = 20, levels: int = 10, samples: int = 4, **vae_arguments: object) -> Recipe:
    """A VAE of categorical latents without any relaxation: draws are compared with each other.

    Args:
        variables: categorical latents.
        levels: values of each.
        samples: draws of z, 2 or more.
        vae_arguments: as for `vae`.
    """
    posterior = partial(Categorical, levels=levels)
    recipe = vae(posterior=posterior, latent_dim=variables * levels, **vae_arguments)
    return dataclasses.replace(recipe, objective=REINFORCE(samples, beta=Linear(0.1, 1.0, steps=0.2)))
