r"""Sylvester Normalizing Flows for Variational Inference: van den Berg et al. 2018, https://arxiv.org/abs/1803.05649.

.. math:: z_t = z_{t-1} + Q R \tanh(\tilde R Q^\top z_{t-1} + b)
"""

from __future__ import annotations

__all__ = ["householder_sylvester_vae", "sylvester_vae"]

from vaekit.networks.flows import HouseholderSylvester, Sylvester
from vaekit.objectives import Recipe
from vaekit.recipes.compose import bent
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def sylvester_vae(*, flows: int = 4, flow_width: int | None = None, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is bent along several directions at once, read off each item.

    Args:
        flows: how many maps.
        flow_width: directions of each, at most the number of latents; 8 where nothing is given.
        vae_arguments: as for `vae`.
    """
    return bent(vae(**vae_arguments), Sylvester, flows, width=flow_width)


@extends(vae, without=("posterior",))
def householder_sylvester_vae(*, flows: int = 4, reflections: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is bent in all directions, turned by reflections, read off each item.

    Args:
        flows: how many maps.
        reflections: of each.
        vae_arguments: as for `vae`.
    """
    return bent(vae(**vae_arguments), HouseholderSylvester, flows, reflections=reflections)
