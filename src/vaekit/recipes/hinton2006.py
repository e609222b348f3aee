"""The deep autoencoder: Hinton and Salakhutdinov 2006, Science 313."""

from __future__ import annotations

__all__ = ["autoencoder"]

import dataclasses

from vaekit.objectives import Recipe, Reconstruction
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def autoencoder(**vae_arguments: object) -> Recipe:
    """A deep autoencoder: one point for each item, no rate, hence no bound and no likelihood.

    Its `sample` decodes N(0, I), which its codes do not follow.

    Args:
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(posterior=Point, **vae_arguments), objective=Reconstruction())
