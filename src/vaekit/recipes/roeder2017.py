r"""Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference: Roeder et al. 2017,
https://arxiv.org/abs/1703.09194.

.. math:: \nabla_\phi \log p(x, z) - \nabla_z \log q(z|x) \nabla_\phi z
"""

from __future__ import annotations

__all__ = ["stl_vae"]

import dataclasses

from vaekit.objectives import STL, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def stl_vae(*, samples: int = 1, **vae_arguments: object) -> Recipe:
    """A VAE whose encoder's gradient leaves out q's score: still where q is exact.

    Args:
        samples: draws of z.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=STL(samples))
