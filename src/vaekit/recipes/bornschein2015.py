r"""Reweighted Wake-Sleep: Bornschein and Bengio 2015, https://arxiv.org/abs/1406.2751.

.. math:: \theta: \log \tfrac1K \sum_k w_k, \qquad \phi: \sum_k \tilde w_k \log q(z_k|x), \quad E_{p(x, z)} \log q(z|x)
"""

from __future__ import annotations

__all__ = ["reweighted_wake_sleep"]

import dataclasses
from typing import Any

from vaekit.messages import Mistake
from vaekit.objectives import IWAE, Game, Recipe, Sleep, WakePhi
from vaekit.posteriors import Bernoulli, Posterior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def reweighted_wake_sleep(
    *, samples: int = 5, sleep: float = 0.0, posterior: type[Posterior] = Bernoulli, **vae_arguments: object
) -> Recipe:
    """A model on the importance-weighted bound, whose encoder learns from the weighed draws, and from dreams if asked.

    Args:
        samples: K.
        sleep: the share of the dreams in what the encoder learns from; 0 does best in Le et al. 2019.
        posterior: a class of vk.posteriors; binary latents where nothing is given.
        vae_arguments: as for `vae`.
    """
    if not 0 <= sleep <= 1:
        raise Mistake(f"got sleep={sleep!r} and wanted a share, from 0 to 1.")
    recipe = vae(posterior=posterior, **vae_arguments)
    encoder: Any = recipe.model.posterior
    learns = WakePhi(samples) if sleep == 0 else (1 - sleep) * WakePhi(samples) + sleep * Sleep()
    game = Game(model=IWAE(samples), posterior=learns, owns={"posterior": [encoder]})
    return dataclasses.replace(recipe, objective=game)
