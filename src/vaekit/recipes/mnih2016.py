r"""Variational inference for Monte Carlo objectives: Mnih and Rezende 2016, https://arxiv.org/abs/1602.06725.

.. math:: \sum_k (L_K - L_{K,-k})\, \nabla \log q(z_k|x) + \sum_k \tilde w_k \nabla \log w_k
"""

from __future__ import annotations

__all__ = ["vimco_vae"]

import dataclasses

from vaekit.objectives import VIMCO, Recipe
from vaekit.posteriors import Bernoulli
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def vimco_vae(*, samples: int = 5, **vae_arguments: object) -> Recipe:
    """A VAE of binary latents on the importance-weighted bound, without any relaxation.

    Args:
        samples: K, 2 or more.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(posterior=Bernoulli, **vae_arguments), objective=VIMCO(samples))
