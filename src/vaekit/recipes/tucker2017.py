r"""REBAR: Low-variance, unbiased gradient estimates for discrete latent variable models: Tucker et al. 2017,
https://arxiv.org/abs/1703.07370.

.. math:: g = (f(b) - \eta f(\sigma(\tilde z / \lambda)))\, \nabla \log q(b)
          + \eta \nabla f(\sigma(z / \lambda)) - \eta \nabla f(\sigma(\tilde z / \lambda))
"""

from __future__ import annotations

__all__ = ["rebar_vae"]

from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.grathwohl2018 import relax_vae


@extends(relax_vae, without=("control",))
def rebar_vae(**vae_arguments: object) -> Recipe:
    """A VAE of binary latents whose gradient has the relaxed model as its control variate, at a learned temperature.

    Args:
        vae_arguments: as for `vae`.
    """
    return relax_vae(control=None, **vae_arguments)
