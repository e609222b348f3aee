r"""Hamiltonian Variational Auto-Encoder: Caterini, Doucet and Sejdinovic 2018, https://arxiv.org/abs/1805.11328.

.. math:: \max E[\log p(x, z_K) - \log q_0(z_0|x) + \tfrac12 |\gamma|^2 - \tfrac12 |v_K|^2]
"""

from __future__ import annotations

__all__ = ["hamiltonian_vae"]

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.posteriors import Hamiltonian
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def hamiltonian_vae(*, leapfrog: int = 3, step: float = 0.2, cooling: float = 0.8, **vae_arguments: object) -> Recipe:
    """A VAE whose draws take some steps along the model's own gradients, which makes up for a plain encoder.

    Args:
        leapfrog: steps, a gradient of the decoder each, at training and at evaluation.
        step: their first length, in standard deviations of the encoder's Gaussian; learned.
        cooling: the inverse temperature that momenta begin at, between 0 and 1; learned.
        vae_arguments: as for `vae`.
    """
    m, objective = vae(**vae_arguments)
    posterior = Hamiltonian(m.posterior, m.prior, m.likelihood, leapfrog=leapfrog, step=step, cooling=cooling)
    return Recipe(VAE(m.prior, posterior, m.likelihood, transform=m.transform, context=m.context), objective)
