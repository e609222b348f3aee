r"""Isolating Sources of Disentanglement in Variational Autoencoders: Chen et al. 2018,
https://arxiv.org/abs/1802.04942.

.. math:: \mathrm{ELBO} - (\beta - 1)\, KL(q(z) \| \textstyle\prod_j q(z_j))
"""

from __future__ import annotations

__all__ = ["beta_tc_vae"]

import dataclasses

from vaekit.objectives import ELBO, Recipe, TotalCorrelation
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def beta_tc_vae(*, beta: float = 6.0, **vae_arguments: object) -> Recipe:
    """A VAE whose total correlation alone is weighed by beta.

    Args:
        beta: its weight, where 1 is the VAE.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=ELBO() + (beta - 1) * TotalCorrelation())
