r"""The Unreasonable Effectiveness of Deep Features as a Perceptual Metric: Zhang et al. 2018,
https://arxiv.org/abs/1801.03924.

.. math:: -\mathrm{ELBO} + \lambda \sum_l \tfrac{1}{P_l} \sum_p \sum_c
          w_{lc} (\hat\phi_l(x)_{cp} - \hat\phi_l(\hat x)_{cp})^2
"""

from __future__ import annotations

__all__ = ["lpips_vae"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import nn

from vaekit.objectives import PerceptualDistance, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.hou2017 import layers_for
from vaekit.recipes.kingma2014 import vae_conv


@extends(vae_conv)
def lpips_vae(
    *,
    weight: float = 30.0,
    features: nn.Module | None = None,
    weights: Sequence[Sequence[float]] | None = None,
    **vae_arguments: object,
) -> Recipe:
    """A VAE that also pays for what a frozen network sees differently, by the direction of its features at each place.

    Args:
        weight: lambda, of the added term; the ELBO's own terms stay.
        features: a network from pictures in 0..1 to features, or to a list of them, a layer each; it is frozen. The
            library's own classifier of digits where nothing is given, for grey pictures.
        weights: of the channels of each layer, 0 or more; 1 each where nothing is given.
        vae_arguments: as for `vae_conv`.
    """
    net, recipe = layers_for(vae_arguments["shape"], features), vae_conv(**vae_arguments)
    elbo: Any = recipe.objective
    return dataclasses.replace(recipe, objective=elbo + weight * PerceptualDistance(net, weights=weights))
