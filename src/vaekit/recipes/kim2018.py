r"""Disentangling by Factorising: Kim and Mnih 2018, https://arxiv.org/abs/1802.05983.

.. math:: \mathrm{ELBO} - \gamma\, KL(q(z) \| \textstyle\prod_j q(z_j))
"""

from __future__ import annotations

__all__ = ["factor_vae"]

import dataclasses
from typing import Any

from torch import nn

from vaekit.objectives import DensityRatio, Discriminate, Game, Recipe, posterior_sample, shuffled
from vaekit.recipes.compose import critic
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def factor_vae(*, gamma: float = 6.0, discriminator: nn.Module | None = None, **vae_arguments: object) -> Recipe:
    """A VAE and a discriminator that tells q(z) from the product of its marginals; the VAE is charged their ratio.

    Args:
        gamma: the weight of the total correlation.
        discriminator: (B, latents) -> (B, 1); four layers of 256 where nothing is given.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    posterior: Any = recipe.model.posterior
    latents: int = posterior.latent_shape[0]
    discriminator = critic(latents) if discriminator is None else discriminator
    game = Game(
        model=recipe.objective + gamma * DensityRatio(discriminator, posterior_sample),  # type: ignore[operator]
        discriminator=Discriminate(discriminator, posterior_sample, shuffled),
        owns={"discriminator": [discriminator]},
    )
    return dataclasses.replace(recipe, objective=game)
