r"""mu-Forcing: Training Variational Recurrent Autoencoders for Text Generation: Liu et al. 2019,
https://arxiv.org/abs/1905.10072.

.. math:: \max \mathrm{ELBO} - w \max\big(0,\ \beta - \tfrac12 \textstyle\sum_j \mathrm{Var}[\mu_j(x)]\big)
"""

from __future__ import annotations

__all__ = ["mu_forcing_vae"]

import dataclasses
from typing import Any

from vaekit.messages import require_positive
from vaekit.objectives import MuForcing, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def mu_forcing_vae(*, nats: float = 3.0, weight: float = 10.0, **vae_arguments: object) -> Recipe:
    """A VAE whose posteriors' means have to lie apart, so that its rate cannot vanish; no bound on log p(x).

    Args:
        nats: the paper's beta, half the means' variance over a batch, summed over the latents: what it asks for at
            least. With N(0, I) as the prior the mean rate is no less.
        weight: of what is missing, above 0; it holds where it is above the rate's own.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    bound: Any = recipe.objective
    return dataclasses.replace(recipe, objective=bound + require_positive("weight", weight) * MuForcing(nats))
