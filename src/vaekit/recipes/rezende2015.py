r"""Variational Inference with Normalizing Flows: Rezende and Mohamed 2015, https://arxiv.org/abs/1505.05770.

.. math:: \max E[\log p(x, z_T) - \log q(z_0|x) + \textstyle\sum_t \log |\det \partial z_t / \partial z_{t-1}|]
"""

from __future__ import annotations

__all__ = ["planar_vae", "radial_vae"]

from vaekit.networks.flows import Planar, Radial
from vaekit.objectives import Recipe
from vaekit.recipes.compose import bent
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def planar_vae(*, flows: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is pushed through planar maps, read off each item.

    Args:
        flows: how many maps.
        vae_arguments: as for `vae`.
    """
    return bent(vae(**vae_arguments), Planar, flows)


@extends(vae, without=("posterior",))
def radial_vae(*, flows: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is drawn to some centres and pushed off others, read off each item.

    Args:
        flows: how many maps.
        vae_arguments: as for `vae`.
    """
    return bent(vae(**vae_arguments), Radial, flows)
