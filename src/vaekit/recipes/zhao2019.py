r"""InfoVAE: Balancing Learning and Inference in Variational Autoencoders: Zhao et al. 2019,
https://arxiv.org/abs/1706.02262.

.. math:: E \log p(x|z) - (1 - \alpha) KL - (\alpha + \lambda - 1) \mathrm{MMD}(q(z), p(z))
"""

from __future__ import annotations

__all__ = ["info_vae"]

import dataclasses

from vaekit.objectives import ELBO, MMD, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def info_vae(*, alpha: float = 0.0, weight: float = 1000.0, **vae_arguments: object) -> Recipe:
    """A VAE that meets the prior as a whole rather than item by item.

    Args:
        alpha: what the items' own rate is spared.
        weight: lambda, of the match.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=ELBO(beta=1 - alpha) + (alpha + weight - 1) * MMD())
