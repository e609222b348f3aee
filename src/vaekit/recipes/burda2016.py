r"""Importance Weighted Autoencoders: Burda, Grosse and Salakhutdinov 2016, https://arxiv.org/abs/1509.00519.

.. math:: L_K = E \log \tfrac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k|x)}
"""

from __future__ import annotations

__all__ = ["iwae"]

import dataclasses

from vaekit.messages import require_count
from vaekit.objectives import IWAE, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def iwae(*, samples: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE trained on the importance-weighted bound.

    Args:
        samples: K, the draws of z for each item.
        vae_arguments: as for `vae`.

    Example:
        >>> iwae(shape=(4,), latent_dim=2, samples=5).objective.samples
        5
    """
    require_count("samples", samples)
    return dataclasses.replace(vae(**vae_arguments), objective=IWAE(samples))
