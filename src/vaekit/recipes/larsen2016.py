r"""Autoencoding beyond pixels using a learned similarity metric: Larsen et al. 2016,
https://arxiv.org/abs/1512.09300.

.. math:: \min_{q} KL(q(z|x) \| p(z)) + L_D, \quad \min_{g} \gamma L_D - L_{GAN}, \quad \max_{D} L_{GAN}, \qquad
          L_D = -\log N(D_l(x); D_l(\hat x), I)
"""

from __future__ import annotations

__all__ = ["vae_gan"]

import dataclasses
from typing import Any, cast

from torch import nn

from vaekit.likelihoods import Gaussian, OptimalScale
from vaekit.networks import MLP, ConvEncoder, Convolutional, Dense
from vaekit.objectives import KL, DiscriminateItems, FeatureDistance, FoolItems, Game, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae

WIDTH = 128  # of the discriminator's last hidden layer, in which items are compared


@extends(vae, without=("beta", "likelihood", "hidden", "activation"))
def vae_gan(*, gamma: float = 0.1, **vae_arguments: Any) -> Recipe:
    """A VAE that is judged in the last hidden layer of a discriminator, in place of pixels, and has to fool it.

    Three players: the encoder, the decoder and the discriminator. No part of it is a bound on log p(x); the likelihood
    is a Gaussian of the one scale that fits best, for the numbers that are reported.

    Args:
        gamma: the weight of the distance in features in the decoder's loss.
        vae_arguments: as for `vae`; networks are convolutional for pictures unless others are given.
    """
    shape = vae_arguments["shape"]
    picture = len(shape) > 1
    pair = {"networks": Convolutional() if picture else Dense()}
    recipe = vae(**{**pair, **vae_arguments, "likelihood": Gaussian(scale=OptimalScale())})
    leaky = nn.LeakyReLU
    body = ConvEncoder(shape, width=WIDTH, activation=leaky) if picture else MLP(shape, [256, WIDTH], activation=leaky)
    judge = nn.Sequential(body, nn.Linear(WIDTH, 1))
    alike, model = float(WIDTH) * FeatureDistance(body, ranged=False), cast(Any, recipe.model)
    game = Game(
        model=KL() + alike,
        decoder=gamma * alike + FoolItems(judge),
        discriminator=DiscriminateItems(judge),
        owns={"decoder": [model.likelihood], "discriminator": [judge]},
    )
    return dataclasses.replace(recipe, objective=game, defaults={"lr": 5e-4})
