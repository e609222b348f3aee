r"""DisARM: An Antithetic Gradient Estimator for Binary Latent Variables: Dong, Mnih and Tucker 2020,
https://arxiv.org/abs/2006.10680.

.. math:: \tfrac12 (f(b) - f(\tilde b))\, (-1)^{\tilde b_i}\, 1[b_i \ne \tilde b_i]\, \sigma(|\alpha_i|)
"""

from __future__ import annotations

__all__ = ["disarm_vae"]

import dataclasses

from vaekit.objectives import DisARM, Recipe
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import Bernoulli
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def disarm_vae(*, samples: int = 1, **vae_arguments: object) -> Recipe:
    """A VAE of binary latents without any relaxation: each draw is compared with its antithetic one.

    Args:
        samples: pairs of draws.
        vae_arguments: as for `vae`.
    """
    objective = DisARM(samples, beta=Linear(0.1, 1.0, steps=0.2))
    return dataclasses.replace(vae(posterior=Bernoulli, **vae_arguments), objective=objective)
