r"""Autoencoding Variational Inference for Topic Models: Srivastava and Sutton 2017, https://arxiv.org/abs/1703.01488.

.. math:: z \sim N(\mu(\alpha), \Sigma(\alpha)), \qquad x \sim p(x \mid \mathrm{softmax}(z))
"""

from __future__ import annotations

__all__ = ["logistic_normal_vae"]

from typing import Any

from vaekit.models import VAE
from vaekit.networks import Shares
from vaekit.objectives import Recipe
from vaekit.priors import DirichletLogits
from vaekit.recipes.compose import latent_size
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def logistic_normal_vae(*, latent_dim: int | None = None, concentration: float = 1.0, **vae_arguments: Any) -> Recipe:
    """A VAE whose decoder sees shares of K parts, softmax(z), with a prior that is about a Dirichlet.

    Args:
        latent_dim: K, 2 or more.
        concentration: of the Dirichlet, for each part; below 1 an item has few of them.
        vae_arguments: as for `vae`.
    """
    k = max(2, latent_size(vae_arguments["shape"], latent_dim))
    m, objective = vae(latent_dim=k, **vae_arguments)
    px = m.likelihood
    likelihood = px.with_net(Shares(px.net), px.shape, features=px.head.features, reads=px.reads)
    prior = DirichletLogits(k, concentration)
    return Recipe(VAE(prior, m.posterior, likelihood, transform=m.transform, context=m.context), objective)
