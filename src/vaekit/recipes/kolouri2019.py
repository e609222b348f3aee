r"""Sliced Wasserstein Auto-Encoders: Kolouri et al. 2019, https://arxiv.org/abs/1804.01947.

.. math:: \min E\, c(x, f(z)) + \lambda\, SW_2^2(q(z), p(z))
"""

from __future__ import annotations

__all__ = ["sliced_wae"]

import dataclasses

from vaekit.objectives import Recipe, Reconstruction, SlicedWasserstein
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def sliced_wae(*, weight: float = 100.0, projections: int = 50, **vae_arguments: object) -> Recipe:
    """A deterministic encoder whose codes follow the prior in every projection.

    Args:
        weight: lambda.
        projections: random directions a step.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(
        vae(posterior=Point, **vae_arguments), objective=Reconstruction() + weight * SlicedWasserstein(projections)
    )
