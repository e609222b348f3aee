r"""PixelVAE: Gulrajani et al. 2017, https://arxiv.org/abs/1611.05013.

.. math:: p(x|z) = \prod_i p(x_i | x_{<i}, z)
"""

from __future__ import annotations

__all__ = ["pixel_vae"]

import dataclasses
from typing import Any

from vaekit.likelihoods import Autoregressive
from vaekit.models import VAE
from vaekit.networks import PixelNet
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae_conv


@extends(vae_conv, without=("decoder",))
def pixel_vae(*, masked: int = 32, layers: int = 1, size: int = 3, **vae_arguments: object) -> Recipe:
    """A VAE whose pixels see those before them: latents for what is far apart, pixels for texture.

    Drawing takes a pass for each pixel. With many layers or large kernels the latents fall silent.

    Args:
        masked: channels of the masked convolutions.
        layers: how many there are after the first.
        size: of their kernels, odd.
        vae_arguments: as for `vae_conv`.
    """
    recipe = vae_conv(**vae_arguments)
    m: Any = recipe.model
    net = PixelNet(m.likelihood.net, m.shape, channels=masked, layers=layers, size=size)
    likelihood = Autoregressive(m.likelihood.with_net(net, m.shape, features=net.features))
    model = VAE(m.prior, m.posterior, likelihood, transform=m.transform, context=m.context)
    return dataclasses.replace(recipe, model=model)
