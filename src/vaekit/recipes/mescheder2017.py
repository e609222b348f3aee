r"""Adversarial Variational Bayes: Mescheder et al. 2017, https://arxiv.org/abs/1701.04722.

.. math:: \max E_{q(z|x)}[\log p(x|z) - T^*(x, z)], \quad T^*(x, z) = \log q(z|x) - \log p(z)
"""

from __future__ import annotations

__all__ = ["avb"]

import dataclasses
import math
from typing import Any

from torch import nn

from vaekit.objectives import DensityRatio, Discriminate, Game, Recipe, Reconstruction, with_posterior, with_prior
from vaekit.posteriors import Implicit
from vaekit.recipes.compose import critic
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior", "context"))
def avb(*, discriminator: nn.Module | None = None, **vae_arguments: object) -> Recipe:
    """A VAE whose posterior is a network of the item and of noise; a discriminator of pairs (x, z) gives its rate.

    The loss is the negative ELBO where the discriminator is the best there is, and else an estimate that may lie on
    either side of it.

    Args:
        discriminator: (B, the item's numbers + latents) -> (B, 1); three layers of 512 where nothing is given.
        vae_arguments: as for `vae`.
    """
    recipe = vae(posterior=Implicit, **vae_arguments)
    model: Any = recipe.model
    pairs = math.prod(model.shape) + model.posterior.latent_shape[0]
    judge = critic(pairs, (512,) * 3) if discriminator is None else discriminator
    game = Game(
        model=Reconstruction() + DensityRatio(judge, with_posterior),
        discriminator=Discriminate(judge, with_posterior, with_prior),
        owns={"discriminator": [judge]},
    )
    return dataclasses.replace(recipe, objective=game, defaults={"lr": 5e-4})
