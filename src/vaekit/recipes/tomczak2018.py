r"""VAE with a VampPrior: Tomczak and Welling 2018, https://arxiv.org/abs/1705.07120.

.. math:: p(z) = \tfrac1K \sum_k q(z|u_k)
"""

from __future__ import annotations

__all__ = ["vampprior"]

from vaekit.messages import require_count
from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.priors import VampPrior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior", "context"))
def vampprior(*, pseudo: int = 500, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is the mean of the posteriors of learned pseudo-inputs.

    Args:
        pseudo: how many.
        vae_arguments: as for `vae`.
    """
    model, objective = vae(**vae_arguments)
    prior = VampPrior(model.posterior, model.shape, require_count("pseudo", pseudo))
    return Recipe(VAE(prior, model.posterior, model.likelihood, transform=model.transform), objective)
