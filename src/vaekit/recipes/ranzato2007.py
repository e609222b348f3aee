r"""Efficient Learning of Sparse Representations with an Energy-Based Model: Ranzato et al. 2007,
https://papers.nips.cc/paper/3112-efficient-learning-of-sparse-representations-with-an-energy-based-model.

.. math:: \min -\log p(x|f(x)) + \lambda \|f(x)\|_1
"""

from __future__ import annotations

__all__ = ["sparse_autoencoder"]

import dataclasses

from vaekit.objectives import Recipe, Reconstruction, Sparsity
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def sparse_autoencoder(*, weight: float = 1.0, **vae_arguments: object) -> Recipe:
    """A deterministic autoencoder most of whose codes are near 0 for an item.

    Args:
        weight: of the codes' absolute values.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(posterior=Point, **vae_arguments), objective=Reconstruction() + weight * Sparsity())
