r"""Tighter Variational Bounds are Not Necessarily Better: Rainforth et al. 2018, https://arxiv.org/abs/1802.04537.

.. math:: L_{M,K} = E \tfrac1M \sum_m \log \tfrac1K \sum_k w_{mk}
"""

from __future__ import annotations

__all__ = ["ciwae", "multiply_iwae", "piwae"]

import dataclasses
from typing import Any

from vaekit.objectives import ELBO, IWAE, MIWAE, Game, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def multiply_iwae(*, outer: int = 8, inner: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE on the mean of M importance-weighted bounds of K draws: a quieter encoder gradient.

    Args:
        outer: M.
        inner: K.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=MIWAE(outer, inner))


@extends(vae, without=("beta",))
def ciwae(*, beta: float = 0.5, samples: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE on a mixture of the ELBO and the importance-weighted bound.

    Args:
        beta: the ELBO's share.
        samples: K.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=beta * ELBO() + (1 - beta) * IWAE(samples))


@extends(vae, without=("beta",))
def piwae(*, outer: int = 8, inner: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE whose decoder learns from the tight bound of all M K draws and its encoder from M bounds of K.

    Args:
        outer: M.
        inner: K.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    posterior: Any = recipe.model.posterior
    game = Game(model=IWAE(outer * inner), encoder=MIWAE(outer, inner), owns={"encoder": [posterior]})
    return dataclasses.replace(recipe, objective=game)
