r"""Learning Latent Space Energy-Based Prior Model: Pang et al. 2020, https://arxiv.org/abs/2006.08205.

.. math:: p(z) = \frac1Z\, e^{f(z)}\, N(z; 0, I)
"""

from __future__ import annotations

__all__ = ["energy_prior_vae"]

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.priors import Energy
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def energy_prior_vae(**vae_arguments: object) -> Recipe:
    """A VAE whose prior is N(0, I) tilted by a network, learned by Langevin chains; the posterior is an encoder's.

    Args:
        vae_arguments: as for `vae`.
    """
    model, objective = vae(**vae_arguments)
    parts = {"transform": model.transform, "context": model.context}
    return Recipe(VAE(Energy(*model.posterior.latent_shape), model.posterior, model.likelihood, **parts), objective)
