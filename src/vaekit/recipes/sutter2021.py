r"""Generalized Multimodal ELBO: Sutter, Daunhawer and Vogt 2021, https://arxiv.org/abs/2105.02470.

.. math:: q(z|x) = \tfrac{1}{2^M - 1} \sum_{s \ne \emptyset} \prod_{m \in s} q_m(z|x_m) / Z_s
"""

from __future__ import annotations

__all__ = ["mopoe_vae"]

from vaekit.data import Modalities
from vaekit.objectives import Recipe, Schedule
from vaekit.posteriors import Gaussian, MixtureOfExperts
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import multimodal, rising, weighed
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("subsets",))
def mopoe_vae(
    *, beta: float | Schedule | None = None, weights: dict[str, float] | None = None, **mvae_arguments: object
) -> Recipe:
    """A VAE of several modalities whose posterior is a mixture of products of experts, one for each subset of them.

    Its rate is that of the mixture, by a draw of each product; the mean of the products' own rates is above it.

    Args:
        beta, weights, mvae_arguments: as for `mvae`.
    """

    def combine(experts: dict[str, Gaussian], modalities: Modalities) -> MixtureOfExperts:
        return MixtureOfExperts(experts, modalities, subsets=MixtureOfExperts.all_subsets(modalities))

    model = multimodal(combine, **mvae_arguments)  # type: ignore[arg-type]
    return Recipe(model, weighed(rising(beta, samples=len(model.posterior.subsets)), weights))
