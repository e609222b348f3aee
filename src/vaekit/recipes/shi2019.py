r"""Variational Mixture-of-Experts Autoencoders: Shi, Siddharth, Paige and Torr 2019, https://arxiv.org/abs/1911.03393.

.. math:: \tfrac1M \sum_m E_{z_k \sim q_m} \log \tfrac1K \sum_k \frac{p(x, z_k)}{\tfrac1M \sum_n q_n(z_k|x_n)}
"""

from __future__ import annotations

__all__ = ["mmvae"]

from vaekit.objectives import Recipe, WeighedMIWAE
from vaekit.posteriors import MixtureOfExperts
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import checked, multimodal
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("beta", "subsets"))
def mmvae(*, samples: int = 8, weights: dict[str, float] | None = None, **mvae_arguments: object) -> Recipe:
    """A VAE of several modalities whose posterior is a mixture of their experts, drawn from in equal shares.

    Args:
        samples: K, the draws of each expert; their bounds are averaged, each with the mixture's density.
        weights: as for `mvae`.
        mvae_arguments: as for `mvae`.
    """
    model = multimodal(MixtureOfExperts, **mvae_arguments)  # type: ignore[arg-type]
    return Recipe(model, WeighedMIWAE(len(model.posterior.subsets), samples, checked(weights)))
