r"""Sinkhorn AutoEncoders: Patrini et al. 2020, https://arxiv.org/abs/1810.01118.

.. math:: \min E\, c(x, f(z)) + \lambda\, S_\epsilon(q(z), p(z))
"""

from __future__ import annotations

__all__ = ["sinkhorn_ae"]

import dataclasses

from vaekit.objectives import Recipe, Reconstruction, Sinkhorn
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta", "posterior"))
def sinkhorn_ae(*, weight: float = 10.0, epsilon: float = 0.1, iterations: int = 50, **vae_arguments: object) -> Recipe:
    """A deterministic encoder whose codes are carried to the prior by optimal transport.

    Args:
        weight: lambda.
        epsilon: the entropy's weight in the transport, for each latent.
        iterations: of the transport.
        vae_arguments: as for `vae`.
    """
    objective = Reconstruction() + weight * Sinkhorn(epsilon, iterations)
    return dataclasses.replace(vae(posterior=Point, **vae_arguments), objective=objective)
