r"""Adversarially Learned Inference: Dumoulin et al. 2017, https://arxiv.org/abs/1606.00704; at the same time
Adversarial Feature Learning: Donahue, Krähenbühl and Darrell 2017, https://arxiv.org/abs/1605.09782.

.. math:: \min_{q, p} \max_D E_{q(x) q(z|x)} \log D(x, z) + E_{p(z) p(x|z)} \log(1 - D(x, z))
"""

from __future__ import annotations

__all__ = ["ali"]

import dataclasses
import math
from typing import Any

from torch import nn

from vaekit.likelihoods import Gaussian
from vaekit.objectives import DiscriminatePairs, FoolPairs, Game, Recipe
from vaekit.recipes.compose import critic
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "likelihood", "context"))
def ali(*, discriminator: nn.Module | None = None, **vae_arguments: object) -> Recipe:
    """An encoder and a decoder whose pairs (x, z) a discriminator cannot tell apart; items are never compared.

    No part of the loss is a bound on log p(x). The likelihood is a Gaussian of one learned scale, which is drawn from.

    Args:
        discriminator: (B, the item's numbers + latents) -> (B, 1); four layers of 256 where nothing is given.
        vae_arguments: as for `vae`.
    """
    recipe = vae(likelihood=Gaussian(), **vae_arguments)
    m: Any = recipe.model
    judge = critic(math.prod(m.shape) + m.posterior.latent_shape[0]) if discriminator is None else discriminator
    game = Game(model=FoolPairs(judge), discriminator=DiscriminatePairs(judge), owns={"discriminator": [judge]})
    return dataclasses.replace(recipe, objective=game, defaults={"lr": 5e-4})
