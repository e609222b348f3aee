r"""Backpropagation through the Void: Optimizing control variates for black-box gradient estimation: Grathwohl et al.
2018, https://arxiv.org/abs/1711.00123.

.. math:: g = (f(b) - c(\tilde z))\, \nabla \log q(b) + \nabla c(z) - \nabla c(\tilde z)
"""

from __future__ import annotations

__all__ = ["relax_vae"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import nn

from vaekit.networks import MLP
from vaekit.objectives import RELAX, Control, Game, GradientNoise, Recipe
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import Bernoulli
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def relax_vae(*, control: Sequence[int] | None = (64,), **vae_arguments: object) -> Recipe:
    """A VAE of binary latents whose gradient has a relaxed control variate, itself learned to keep the noise small.

    Args:
        control: widths of the control variate's own network; None leaves it out, as in `rebar_vae`.
        vae_arguments: as for `vae`.
    """
    recipe = vae(posterior=Bernoulli, **vae_arguments)
    posterior: Any = recipe.model.posterior
    net = None
    if control is not None:
        hidden = MLP(posterior.latent_shape, control, activation=nn.Tanh)
        net = nn.Sequential(hidden, nn.Linear(hidden.features[0], 1))
    variate = Control(net)
    bound = RELAX(variate, beta=Linear(0.1, 1.0, steps=0.2))
    game = Game(model=bound, control=GradientNoise(bound), owns={"control": [variate]})
    return dataclasses.replace(recipe, objective=game)
