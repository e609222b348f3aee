r"""Improved Variational Inference with Inverse Autoregressive Flow: Kingma et al. 2016,
https://arxiv.org/abs/1606.04934.

.. math:: \max E \log p(x|z) - \sum_j \max(\lambda, KL_j)
"""

from __future__ import annotations

__all__ = ["free_bits_vae"]

import dataclasses

from vaekit.objectives import FreeBits, Recipe, Reconstruction
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def free_bits_vae(*, free_bits: float = 0.5, **vae_arguments: object) -> Recipe:
    """A VAE whose latents each have some nats of rate for nothing, which keeps them in use.

    Args:
        free_bits: nats a latent.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=Reconstruction() + FreeBits(free_bits))
