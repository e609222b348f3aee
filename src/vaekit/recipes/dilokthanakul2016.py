r"""A mixture of Gaussians as the prior: Dilokthanakul et al. 2016, https://arxiv.org/abs/1611.02648.

.. math:: p(z) = \sum_k \pi_k N(z; \mu_k, \sigma_k^2)
"""

from __future__ import annotations

__all__ = ["gmvae", "mixture_vae"]

from typing import Any

from vaekit.data import Context
from vaekit.messages import require_count
from vaekit.models import VAE
from vaekit.networks import WithoutClass
from vaekit.objectives import EnumeratedELBO, Recipe
from vaekit.priors import ClassedMixture, GaussianMixture
from vaekit.recipes.classed import over_classes
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


@extends(vae, without=("posterior", "encoder", "decoder", "context"))
def gmvae(*, components: int = 10, **vae_arguments: object) -> Recipe:
    """A VAE that infers the component too: q(y|x) q(z|x,y), every y summed over; no further noise decides p(z|y).

    Args:
        components: Gaussians in the mixture.
        vae_arguments: as for `vae`.

    Example:
        >>> import torch
        >>> model, objective = gmvae(shape=(8, 8), latent_dim=2, components=5)
        >>> model.encode(torch.zeros(3, 8, 8)).probs.shape
        torch.Size([3, 5])
    """
    levels = Context({"y": {"levels": list(range(require_count("components", components)))}})
    plain, given = vae(**vae_arguments), vae(context=levels, **vae_arguments)
    m: Any = plain.model
    bound: Any = plain.objective
    prior = ClassedMixture(m.posterior.latent_shape[0], components)
    model = over_classes(prior, m, given.model, m.likelihood, WithoutClass)
    return Recipe(model, EnumeratedELBO(beta=bound.beta))
