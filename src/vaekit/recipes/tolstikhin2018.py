r"""Wasserstein Auto-Encoders: Tolstikhin et al. 2018, https://arxiv.org/abs/1711.01558.

.. math:: \min E\, c(x, f(z)) + \lambda\, D(q(z), p(z)), \quad D = \mathrm{MMD} \text{ or an adversary's}
"""

from __future__ import annotations

__all__ = ["wae_gan", "wae_mmd"]

import dataclasses

from vaekit.objectives import MMD, InverseMultiquadric, Recipe, Reconstruction
from vaekit.posteriors import Point
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae
from vaekit.recipes.makhzani2015 import aae


@extends(vae, without=("beta", "posterior"))
def wae_mmd(*, weight: float = 100.0, **vae_arguments: object) -> Recipe:
    """A deterministic encoder whose codes as a whole follow the prior.

    Args:
        weight: lambda.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(
        vae(posterior=Point, **vae_arguments), objective=Reconstruction() + weight * MMD(InverseMultiquadric())
    )


@extends(aae, without=("posterior",))
def wae_gan(*, weight: float = 10.0, **aae_arguments: object) -> Recipe:
    """A deterministic encoder whose codes a discriminator cannot tell from the prior.

    With a few thousand items in many latents it tells them whatever the encoder does, and pictures stay blurred: give
    fewer latents or a smaller weight then.

    Args:
        weight: lambda.
        aae_arguments: as for `aae`.
    """
    return aae(weight=weight, **aae_arguments)
