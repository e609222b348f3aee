r"""Resampled Priors for Variational Autoencoders: Bauer and Mnih 2019, https://arxiv.org/abs/1810.11428.

.. math:: p(z) \propto N(z; 0, I)\, a(z)
"""

from __future__ import annotations

__all__ = ["lars_vae"]

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.priors import Resampled
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def lars_vae(*, tries: int = 100, **vae_arguments: object) -> Recipe:
    """A VAE whose prior's draws are kept or drawn again by a network that is learned with it.

    Args:
        tries: the most for one draw.
        vae_arguments: as for `vae`.
    """
    m, objective = vae(**vae_arguments)
    prior = Resampled(*m.posterior.latent_shape, tries=tries)
    return Recipe(VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context), objective)
