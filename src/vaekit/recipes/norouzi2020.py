r"""Exemplar VAE: Norouzi, Fleet and Norouzi 2020, https://arxiv.org/abs/2004.04795.

.. math:: p(z) = \tfrac1N \sum_n N(z; \mu(x_n), \sigma^2 I), \quad n \ne i \text{ for item } i \text{ in training}
"""

from __future__ import annotations

__all__ = ["exemplar_vae"]

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.priors import Exemplars
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def exemplar_vae(**vae_arguments: object) -> Recipe:
    """A VAE whose prior has a Gaussian at the code of every training item but, in training, the one it is asked about.

    A large batch_size gives each item many exemplars, which makes the bound tighter.

    Args:
        vae_arguments: as for `vae`.
    """
    m, objective = vae(**vae_arguments)
    prior = Exemplars(*m.posterior.latent_shape)
    return Recipe(VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context), objective)
