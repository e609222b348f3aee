r"""Learning to Generate Images with Perceptual Similarity Metrics: Snell et al. 2017,
https://arxiv.org/abs/1511.06409.

.. math:: \min KL(q(z|x) \| p(z)) + \lambda\, (1 - \mathrm{MS\text{-}SSIM}(x, \hat x))
"""

from __future__ import annotations

__all__ = ["ms_ssim_vae"]

import dataclasses

from vaekit.likelihoods import Gaussian, OptimalScale
from vaekit.objectives import KL, Dissimilarity, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae_conv


@extends(vae_conv, without=("beta", "likelihood"))
def ms_ssim_vae(*, weight: float = 300.0, **vae_arguments: object) -> Recipe:
    """A VAE whose pictures are compared by their structural similarity at several scales, in place of pixels.

    No bound on log p(x); the likelihood is a Gaussian of the one scale that fits best, for the numbers that are
    reported.

    Args:
        weight: lambda, nats for pictures that have nothing in common.
        vae_arguments: as for `vae_conv`.
    """
    recipe = vae_conv(**vae_arguments, likelihood=Gaussian(scale=OptimalScale()))
    return dataclasses.replace(recipe, objective=KL() + weight * Dissimilarity())
