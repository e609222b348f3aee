r"""Adversarial Autoencoders: Makhzani et al. 2015, https://arxiv.org/abs/1511.05644.

.. math:: \min_{f, g} \max_D -\log p(x|g(f(x))) + \lambda\, (E_{p(z)} \log D(z) + E_{q(z)} \log(1 - D(z)))
"""

from __future__ import annotations

__all__ = ["aae"]

import dataclasses
from typing import Any

from torch import nn

from vaekit.objectives import Discriminate, Fool, Game, Recipe, Reconstruction, posterior_sample, prior_sample
from vaekit.posteriors import Point, Posterior
from vaekit.recipes.compose import critic
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def aae(
    *,
    weight: float = 1.0,
    posterior: type[Posterior] = Point,
    discriminator: nn.Module | None = None,
    **vae_arguments: object,
) -> Recipe:
    """An autoencoder whose codes as a whole are pressed to the prior by a discriminator that tells them apart.

    Args:
        weight: of the encoder's part in the game; it is played beside the reconstruction, not after it.
        posterior: deterministic as in most of the paper; vk.posteriors.Gaussian and Implicit are its other two.
        discriminator: (B, latents) -> (B, 1); four layers of 256 where nothing is given.
        vae_arguments: as for `vae`.
    """
    recipe = vae(posterior=posterior, **vae_arguments)
    q: Any = recipe.model.posterior
    judge = critic(q.latent_shape[0]) if discriminator is None else discriminator
    game = Game(
        model=Reconstruction() + weight * Fool(judge, posterior_sample),
        discriminator=Discriminate(judge, posterior_sample, prior_sample),
        owns={"discriminator": [judge]},
    )
    return dataclasses.replace(recipe, objective=game)
