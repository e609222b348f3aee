r"""Variational Inference of Disentangled Latent Concepts from Unlabeled Observations: Kumar et al. 2018,
https://arxiv.org/abs/1711.00848.

.. math:: \mathrm{ELBO} - \lambda_{od} \sum_{i \ne j} C_{ij}^2 - \lambda_d \sum_i (C_{ii} - 1)^2
"""

from __future__ import annotations

__all__ = ["dip_vae_i", "dip_vae_ii"]

import dataclasses

from vaekit.objectives import ELBO, CovarianceOfMeans, CovarianceOfSamples, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def dip_vae_i(*, off_diagonal: float = 10.0, diagonal: float = 100.0, **vae_arguments: object) -> Recipe:
    """A VAE whose posterior means are pressed to be uncorrelated.

    Args:
        off_diagonal: the weight of squared covariances.
        diagonal: that of variances other than 1.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=ELBO() + CovarianceOfMeans(off_diagonal, diagonal))


@extends(vae, without=("beta",))
def dip_vae_ii(*, off_diagonal: float = 10.0, diagonal: float = 10.0, **vae_arguments: object) -> Recipe:
    """A VAE whose aggregate posterior is pressed to have the identity as its covariance.

    Args:
        off_diagonal: the weight of squared covariances.
        diagonal: that of variances other than 1.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=ELBO() + CovarianceOfSamples(off_diagonal, diagonal))
