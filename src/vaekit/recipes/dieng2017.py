r"""Variational Inference via chi Upper Bound Minimization: Dieng et al. 2017, https://arxiv.org/abs/1611.00328.

.. math:: \theta: \log \tfrac1K \sum_k w_k, \qquad \phi: \tfrac1n \log \tfrac1K \sum_k w_k^n
"""

from __future__ import annotations

__all__ = ["chi_vae"]

import dataclasses
from typing import Any

from vaekit.objectives import CUBO, IWAE, Game, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def chi_vae(*, order: float = 2.0, samples: int = 8, **vae_arguments: object) -> Recipe:
    """A model on the importance-weighted bound, whose posterior minimises an upper bound and so covers all of p(z|x).

    Args:
        order: n, above 1.
        samples: K.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    posterior: Any = recipe.model.posterior
    game = Game(model=IWAE(samples), posterior=CUBO(order, samples), owns={"posterior": [posterior]})
    return dataclasses.replace(recipe, objective=game)
