r"""A Batch Normalized Inference Network Keeps the KL Vanishing Away: Zhu et al. 2020,
https://arxiv.org/abs/2004.12585.

.. math:: E\, KL \ge \tfrac{D}{2} \gamma^2
"""

from __future__ import annotations

__all__ = ["bn_vae"]

from functools import partial

from vaekit.objectives import Recipe
from vaekit.posteriors import NormalisedGaussian
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def bn_vae(*, gamma: float = 0.5, **vae_arguments: object) -> Recipe:
    """A VAE whose posterior's means are normalised over the batch, so that its rate cannot vanish.

    Args:
        gamma: the standard deviation of the means; the rate is at least gamma^2 / 2 nats a latent.
        vae_arguments: as for `vae`.
    """
    return vae(posterior=partial(NormalisedGaussian, gamma=gamma), **vae_arguments)
