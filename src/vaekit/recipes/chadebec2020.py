r"""Geometry-Aware Hamiltonian Variational Auto-Encoder: Chadebec, Mantoux and Allassonniere 2020,
https://arxiv.org/abs/2010.11518.

.. math:: \max E[\log p(x, z_K) + \log N(v_K; 0, G(z_K)) - \log q_0(z_0|x) - \log N(\gamma; 0, G(z_0))]
"""

from __future__ import annotations

__all__ = ["riemannian_hvae"]

import dataclasses
from typing import Any

from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.posteriors import RiemannianHamiltonian
from vaekit.recipes.caterini2018 import hamiltonian_vae
from vaekit.recipes.declare import extends


@extends(hamiltonian_vae)
def riemannian_hvae(*, centres: int = 10, floor: float = 0.1, **hamiltonian_arguments: object) -> Recipe:
    """A Hamiltonian VAE whose steps are taken in a learned metric, long where latents are close in what they mean.

    Args:
        centres: of the metric.
        floor: of its inverse, above 0: how far steps go where no centre is near.
        hamiltonian_arguments: as for `hamiltonian_vae`.
    """
    recipe = hamiltonian_vae(**hamiltonian_arguments)
    m: Any = recipe.model
    q = RiemannianHamiltonian(m.posterior, centres=centres, floor=floor)
    return dataclasses.replace(recipe, model=VAE(m.prior, q, m.likelihood, transform=m.transform, context=m.context))
