r"""Regularised autoencoders: Ghosh et al. 2020, https://arxiv.org/abs/1903.12436.

.. math:: \min -\log p(x|f(x)) + \tfrac{\beta}{2} \|z\|^2 + \lambda L_{reg}
"""

from __future__ import annotations

__all__ = ["rae_gp", "rae_l2", "rae_sn"]

import dataclasses
from typing import Any

from vaekit.models import VAE
from vaekit.networks import SpectralNorm
from vaekit.objectives import DecoderGradient, DecoderNorm, LatentNorm, Recipe, Reconstruction
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def rae_l2(*, beta: float = 1e-2, weight: float = 1e-4, **vae_arguments: object) -> Recipe:
    """A deterministic autoencoder with small codes and small weights in its decoder.

    Args:
        beta: of half the codes' squared norm.
        weight: of the decoder's squared weights.
        vae_arguments: as for `vae`.
    """
    objective = Reconstruction() + beta * LatentNorm() + weight * DecoderNorm()
    return dataclasses.replace(vae(posterior=Point, **vae_arguments), objective=objective)


@extends(vae, without=("posterior",))
def rae_gp(*, beta: float = 1e-2, weight: float = 1e-2, **vae_arguments: object) -> Recipe:
    """A deterministic autoencoder with small codes and a decoder that is smooth in them.

    Args:
        beta: of half the codes' squared norm.
        weight: of the decoder's squared gradient with respect to the codes.
        vae_arguments: as for `vae`.
    """
    objective = Reconstruction() + beta * LatentNorm() + weight * DecoderGradient()
    return dataclasses.replace(vae(posterior=Point, **vae_arguments), objective=objective)


@extends(vae, without=("posterior",))
def rae_sn(*, beta: float = 1e-2, **vae_arguments: object) -> Recipe:
    """A deterministic autoencoder with small codes and a decoder whose layers stretch nothing, but for the last one.

    Args:
        beta: of half the codes' squared norm.
        vae_arguments: as for `vae`.
    """
    m: Any = vae(posterior=Point, **vae_arguments).model
    likelihood = m.likelihood.with_net(SpectralNorm(m.likelihood.net), m.shape)
    model = VAE(m.prior, m.posterior, likelihood, transform=m.transform, context=m.context)
    return Recipe(model, Reconstruction() + beta * LatentNorm())
