r"""Semi-Implicit Variational Inference: Yin and Zhou 2018, https://arxiv.org/abs/1805.11183.

.. math:: \max E \log \tfrac1J \sum_j
          \frac{p(x, z_j)}{\tfrac1{K+1} \sum_{k=0}^K N(z_j; \mu(x, \epsilon_{jk}), \sigma(x, \epsilon_{jk})^2)},
          \qquad z_j \sim N(\mu(x, \epsilon_{j0}), \sigma(x, \epsilon_{j0})^2)
"""

from __future__ import annotations

__all__ = ["importance_weighted_sivi_vae", "sivi_vae"]

import dataclasses
from functools import partial

from vaekit.messages import require_count
from vaekit.objectives import IWAE, Recipe
from vaekit.posteriors import SemiImplicit
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def sivi_vae(*, extra: int = 10, **vae_arguments: object) -> Recipe:
    """A VAE whose posterior mixes Gaussians by a network of the item and of noise, with J = 1.

    Args:
        extra: K, Gaussians beside the one that a draw came from; the bound rises with it to the ELBO.
        vae_arguments: as for `vae`.
    """
    return vae(posterior=partial(SemiImplicit, extra=extra), **vae_arguments)


@extends(sivi_vae, without=("beta",))
def importance_weighted_sivi_vae(*, samples: int = 5, **sivi_arguments: object) -> Recipe:
    """The same on the importance-weighted bound.

    Args:
        samples: J, the draws of z for each item.
        sivi_arguments: as for `sivi_vae`.
    """
    return dataclasses.replace(sivi_vae(**sivi_arguments), objective=IWAE(require_count("samples", samples)))
