r"""Focal Frequency Loss for Image Reconstruction and Synthesis: Jiang et al. 2021, https://arxiv.org/abs/2012.12821.

.. math:: -\mathrm{ELBO} + \lambda\, \tfrac12 \sum_{uv} w_{uv} |F_x(u, v) - F_{\hat x}(u, v)|^2
"""

from __future__ import annotations

__all__ = ["focal_frequency_vae"]

import dataclasses
from typing import Any

from vaekit.objectives import FocalFrequency, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae_conv


@extends(vae_conv)
def focal_frequency_vae(*, weight: float = 1.0, alpha: float = 1.0, **vae_arguments: object) -> Recipe:
    """A VAE that also pays for the frequencies of a picture that it misses, those most that it misses most.

    Args:
        weight: lambda, of the added term; the ELBO's own terms stay.
        alpha: how much more the frequencies that are far off count.
        vae_arguments: as for `vae_conv`.
    """
    recipe = vae_conv(**vae_arguments)
    elbo: Any = recipe.objective
    return dataclasses.replace(recipe, objective=elbo + weight * FocalFrequency(alpha))
