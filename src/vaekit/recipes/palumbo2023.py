r"""MMVAE+: Enhancing the Generative Quality of Multimodal VAEs without Compromises: Palumbo, Daunhawer and Vogt 2023,
https://openreview.net/forum?id=sdQGxouELX.

.. math:: q(z, w|x) = \tfrac1M \sum_m q(z|x_m)\, q(w_m|x_m) \textstyle\prod_{n \ne m} p(w_n)
"""

from __future__ import annotations

__all__ = ["mmvae_plus"]

from vaekit.objectives import Recipe, WeighedMIWAE
from vaekit.posteriors import MixtureOfShared
from vaekit.recipes.declare import extends
from vaekit.recipes.lee2021 import dmvae
from vaekit.recipes.multimodal import checked, shared_and_private


@extends(dmvae)
def mmvae_plus(*, samples: int = 8, weights: dict[str, float] | None = None, **dmvae_arguments: object) -> Recipe:
    """A VAE of several modalities whose shared latents are a mixture of experts, beside latents of each one's own.

    The own latents of the modalities that a draw does not come from are the prior's, which is the paper's r where its
    scale is not learned; the bound takes the density of the whole mixture, of shared and own latents.

    Args:
        samples: K, the draws of each expert.
        weights, dmvae_arguments: as for `dmvae`.
    """
    model = shared_and_private(MixtureOfShared, **dmvae_arguments)  # type: ignore[arg-type]
    return Recipe(model, WeighedMIWAE(len(model.posterior.modalities.names), samples, checked(weights)))
