r"""Multi-Level Variational Autoencoder: Bouchacourt, Tomioka and Nowozin 2018, https://arxiv.org/abs/1705.08841.

.. math:: \sum_{i \in G} E[\log p(x_i|c, s_i)] - \sum_{i \in G} KL(q(s_i|x_i) \| p(s)) - KL(q(c|x_G) \| p(c)), \qquad
          q(c|x_G) \propto \prod_{i \in G} q(c|x_i)
"""

from __future__ import annotations

__all__ = ["ml_vae"]

from typing import Any

from vaekit.data import Context
from vaekit.objectives import Recipe
from vaekit.posteriors import Product
from vaekit.recipes.declare import extends
from vaekit.recipes.grouped import pooled
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def ml_vae(*, context: Context | None = None, shared: int | None = None, **vae_arguments: Any) -> Recipe:
    """A VAE with latents that the items of a group have in common and latents that are each item's own.

    Args:
        context: what is the same for the items of a group, such as a class; those that meet in a batch are pooled.
        shared: latents of the group, the first ones; half of them where nothing is given.
        vae_arguments: as for `vae`.

    Example:
        >>> faces = Context({"person": {"levels": ["a", "b"]}})
        >>> ml_vae(shape=(8, 8), latent_dim=6, context=faces).model.posterior.shared
        3
    """
    return pooled("ml_vae", Product(), context, shared, vae_arguments)
