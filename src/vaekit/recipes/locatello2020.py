r"""Weakly-Supervised Disentanglement Without Compromises: Locatello et al. 2020, https://arxiv.org/abs/2002.02886.

.. math:: z_i \text{ is shared where } \delta_i < \tfrac12 (\max_j \delta_j + \min_j \delta_j), \qquad
          \delta_i = KL(q(z_i|x) \| q(z_i|x'))
"""

from __future__ import annotations

__all__ = ["ada_gvae", "ada_ml_vae"]

from typing import Any

from vaekit.data import Context
from vaekit.objectives import Recipe
from vaekit.posteriors import Average, Product
from vaekit.recipes.declare import extends
from vaekit.recipes.grouped import adaptive
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def ada_gvae(*, context: Context | None = None, **vae_arguments: Any) -> Recipe:
    """A VAE of pairs that share some factors, nobody knows which: latents that agree are averaged.

    Args:
        context: what is the same for the items that pairs are made of, such as a class; they have to meet in a batch.
        vae_arguments: as for `vae`.

    Example:
        >>> kinds = Context({"kind": {"levels": ["a", "b"]}})
        >>> ada_gvae(shape=(8, 8), latent_dim=6, context=kinds).model.posterior.reads
        ('kind',)
    """
    return adaptive("ada_gvae", Average(), context, vae_arguments)


@extends(ada_gvae)
def ada_ml_vae(*, context: Context | None = None, **vae_arguments: Any) -> Recipe:
    """The same with the product of both posteriors for the latents that agree.

    Args:
        context, vae_arguments: as for `ada_gvae`.
    """
    return adaptive("ada_ml_vae", Product(), context, vae_arguments)
