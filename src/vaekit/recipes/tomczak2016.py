r"""Improving Variational Auto-Encoders using Householder Flow: Tomczak and Welling 2016,
https://arxiv.org/abs/1611.09630.

.. math:: z_t = z_{t-1} - 2 v_t (v_t^\top z_{t-1}) / \|v_t\|^2, \qquad KL = KL(q(z_0|x) \| N(0, I))
"""

from __future__ import annotations

__all__ = ["householder_vae"]

from vaekit.networks.flows import Householder
from vaekit.objectives import Recipe
from vaekit.recipes.compose import bent
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def householder_vae(*, flows: int = 10, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is turned by reflections, read off each item: a covariance for few numbers.

    The rate keeps its closed form, since the prior looks alike from all sides.

    Args:
        flows: how many reflections.
        vae_arguments: as for `vae`.
    """
    return bent(vae(**vae_arguments), Householder, flows)
