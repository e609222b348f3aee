r"""VAE with a VampPrior: Tomczak and Welling 2018, https://arxiv.org/abs/1705.07120.

.. math:: p(z) = \tfrac1K \sum_k q(z|u_k), \qquad p(x, z_1, z_2) = p(x|z_1, z_2)\, p(z_1|z_2)\, p(z_2)
"""

from __future__ import annotations

__all__ = ["vamp_hvae", "vampprior"]

import dataclasses
from typing import Any

from vaekit.messages import Mistake, require_count
from vaekit.models import VAE, HierarchicalVAE, JoinedBlock, VampTop
from vaekit.objectives import Recipe
from vaekit.priors import VampPrior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae
from vaekit.recipes.sonderby2016 import ladder_vae


@extends(vae, without=("posterior", "context"))
def vampprior(*, pseudo: int = 500, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is the mean of the posteriors of learned pseudo-inputs.

    Args:
        pseudo: how many.
        vae_arguments: as for `vae`.
    """
    model, objective = vae(**vae_arguments)
    prior = VampPrior(model.posterior, model.shape, require_count("pseudo", pseudo))
    return Recipe(VAE(prior, model.posterior, model.likelihood, transform=model.transform), objective)


@extends(ladder_vae, without=("context",))
def vamp_hvae(*, pseudo: int = 500, **ladder_arguments: object) -> Recipe:
    """Two levels of latents, or more, with the VampPrior at the top; posteriors read the item and the latents above.

    Args:
        pseudo: how many pseudo-inputs.
        ladder_arguments: as for `ladder_vae`.
    """
    recipe = ladder_vae(**ladder_arguments)
    m: Any = recipe.model
    if len(m.levels) < 2:
        raise Mistake("got one level of latents and a hierarchy has two or more: use the recipe 'vampprior'.")
    top, *rest = m.levels
    encoder = list(m.encoder)
    levels = [
        VampTop(
            top.latent_dim, encoder=encoder, shape=m.shape, seen=encoder[-1].features[0], hidden=top.features[0],
            pseudo=pseudo,
        ),
        *(
            JoinedBlock(b.latent_dim, above=b.above, seen=net.features[0], hidden=b.features[0])
            for b, net in zip(rest, encoder[-2::-1], strict=True)
        ),
    ]  # fmt: skip
    model = HierarchicalVAE(encoder, levels, m.likelihood, transform=m.transform)
    return dataclasses.replace(recipe, model=model)
