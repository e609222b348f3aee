r"""Restructuring Vector Quantization with the Rotation Trick: Fifty et al. 2024, https://arxiv.org/abs/2410.06424.

.. math:: \partial L / \partial f = \tfrac{\|e\|}{\|f\|} R^T\, \partial L / \partial e
"""

from __future__ import annotations

__all__ = ["rotation_vq_vae"]

from vaekit.objectives import Recipe
from vaekit.posteriors import Rotated
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("posterior",))
def rotation_vq_vae(*, commitment: float = 1.0, **vq_vae_arguments: object) -> Recipe:
    """A VQ-VAE whose encoder gets the decoder's gradient turned and scaled, not straight through.

    Args:
        commitment: how strongly the encoder is drawn to its codes.
        vq_vae_arguments: as for `vq_vae`.
    """
    return vq_vae(posterior=Rotated, commitment=commitment, **vq_vae_arguments)
