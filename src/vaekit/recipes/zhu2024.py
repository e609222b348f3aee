r"""Addressing Representation Collapse in Vector Quantized Models with One Linear Layer: Zhu et al. 2024,
https://arxiv.org/abs/2411.02038.

.. math:: e_k = W c_k \text{ with } c_k \text{ fixed}
"""

from __future__ import annotations

__all__ = ["sim_vq_vae"]

from vaekit.networks import LinearCodebook
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("decay", "codebook"))
def sim_vq_vae(*, codes: int = 512, code_dim: int = 16, **vq_vae_arguments: object) -> Recipe:
    """A VQ-VAE whose codebook is a learned linear map of vectors that never move, so that no vector is left behind.

    Args:
        codes: vectors in the codebook.
        code_dim: numbers in each.
        vq_vae_arguments: as for `vq_vae`.
    """
    return vq_vae(codebook=LinearCodebook(codes, code_dim), **vq_vae_arguments)
