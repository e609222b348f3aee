r"""Semi-Amortized Variational Autoencoders: Kim, Wiseman, Miller, Sontag and Rush 2018,
https://arxiv.org/abs/1802.02550.

.. math:: \lambda_{s+1} = \lambda_s + \rho\, F^{-1} \nabla_\lambda \mathrm{ELBO}(x; \lambda_s)
"""

from __future__ import annotations

__all__ = ["sa_vae"]

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.posteriors import Refined
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def sa_vae(*, steps: int = 5, rate: float = 0.5, **vae_arguments: object) -> Recipe:
    """A VAE whose encoder's posteriors are improved by some steps of variational inference, an item at a time.

    Args:
        steps: how many, in training and ever after; each costs about as much as a training step of `vae`.
        rate: of each, 1 at most.
        vae_arguments: as for `vae`.
    """
    m, objective = vae(**vae_arguments)
    posterior = Refined(m.posterior, m.prior, m.likelihood, steps=steps, rate=rate)
    return Recipe(VAE(m.prior, posterior, m.likelihood, transform=m.transform, context=m.context), objective)
