r"""A mixture of Gaussians as the prior: Dilokthanakul et al. 2016, https://arxiv.org/abs/1611.02648.

.. math:: p(z) = \sum_k \pi_k N(z; \mu_k, \sigma_k^2)
"""

from __future__ import annotations

__all__ = ["mixture_vae"]

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.priors import GaussianMixture
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def mixture_vae(*, components: int = 10, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is a learned mixture of Gaussians, with the classes summed out: latents fall into clusters.

    Args:
        components: Gaussians in the mixture.
        vae_arguments: as for `vae`.
    """
    m, objective = vae(**vae_arguments)
    prior = GaussianMixture(m.posterior.latent_shape[0], components)
    return Recipe(VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context), objective)
