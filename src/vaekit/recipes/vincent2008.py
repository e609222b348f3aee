r"""Extracting and Composing Robust Features with Denoising Autoencoders: Vincent et al. 2008,
https://www.cs.toronto.edu/~larocheh/publications/icml-2008-denoising-autoencoders.pdf.

.. math:: \min -\log p(x | f(x + \epsilon))
"""

from __future__ import annotations

__all__ = ["denoising_autoencoder"]

import dataclasses

from vaekit.objectives import Denoising, Recipe
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def denoising_autoencoder(*, scale: float = 0.3, **vae_arguments: object) -> Recipe:
    """A deterministic autoencoder that makes items whole from noisy ones.

    Args:
        scale: the noise's standard deviation, in the model's units.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(posterior=Point, **vae_arguments), objective=Denoising(scale))
