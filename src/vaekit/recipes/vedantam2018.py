r"""Generative Models of Visually Grounded Imagination: Vedantam, Fischer, Huang and Murphy 2018,
https://arxiv.org/abs/1705.10762; the triple ELBO.

.. math:: \mathrm{ELBO}(x), \quad \text{and for the experts alone } \sum_m \mathrm{ELBO}(x_m)
"""

from __future__ import annotations

__all__ = ["telbo_vae"]

from vaekit.objectives import Game, OfSubsets, Recipe, Schedule
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import joint_or_experts, multimodal, rising, weighed
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("subsets",))
def telbo_vae(
    *, beta: float | Schedule | None = None, weights: dict[str, float] | None = None, **mvae_arguments: object
) -> Recipe:
    """A VAE of several modalities with one encoder of all, and one of each that learns the bound of its own modality.

    The decoders follow the bound of all modalities alone, and the experts adapt to them.

    Args:
        beta, weights, mvae_arguments: as for `mvae`.
    """
    model = multimodal(joint_or_experts, **mvae_arguments)  # type: ignore[arg-type]
    bound = weighed(rising(beta), weights)
    return Recipe(model, Game(model=bound, experts=OfSubsets(bound), owns={"experts": list(model.posterior.experts)}))
