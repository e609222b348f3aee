r"""Private-Shared Disentangled Multimodal VAE: Lee and Pavlovic 2021, https://arxiv.org/abs/2012.13024.

.. math:: \mathrm{ELBO}(x) + \sum_m \mathrm{ELBO}_m(x), \quad
          q_m(z, w|x) = q(z|x_m) \textstyle\prod_n q(w_n|x_n)
"""

from __future__ import annotations

__all__ = ["dmvae"]

from vaekit.objectives import ELBO, CrossELBO, Recipe
from vaekit.posteriors import SharedAndPrivate
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import shared_and_private, weighed
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("subsets", "beta"))
def dmvae(*, private_dim: int = 4, weights: dict[str, float] | None = None, **mvae_arguments: object) -> Recipe:
    """A VAE of several modalities with latents that all share and latents of each one's own.

    Args:
        private_dim: latents of each modality's own; `latent_dim` counts those that are shared.
        weights: as for `mvae`; they count in the bound of all modalities.
        mvae_arguments: as for `mvae`.
    """
    model = shared_and_private(SharedAndPrivate, private_dim=private_dim, **mvae_arguments)  # type: ignore[arg-type]
    return Recipe(model, weighed(ELBO(), weights) + CrossELBO())
