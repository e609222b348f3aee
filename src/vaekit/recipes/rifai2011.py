r"""Contractive Auto-Encoders: Explicit Invariance During Feature Extraction: Rifai et al. 2011,
https://icml.cc/2011/papers/455_icmlpaper.pdf.

.. math:: \min -\log p(x|f(x)) + \lambda \|\partial f / \partial x\|_F^2
"""

from __future__ import annotations

__all__ = ["contractive_autoencoder"]

import dataclasses

from vaekit.objectives import Contraction, Recipe, Reconstruction
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def contractive_autoencoder(*, weight: float = 0.1, **vae_arguments: object) -> Recipe:
    """A deterministic autoencoder whose codes hardly move when the item does.

    Args:
        weight: of the encoder's squared derivative.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(
        vae(posterior=Point, **vae_arguments), objective=Reconstruction() + weight * Contraction()
    )
