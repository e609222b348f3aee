r"""Rényi Divergence Variational Inference: Li and Turner 2016, https://arxiv.org/abs/1602.02311.

.. math:: L_\alpha = \tfrac{1}{1-\alpha} \log \tfrac1K \sum_k w_k^{1-\alpha}
"""

from __future__ import annotations

__all__ = ["renyi_vae"]

import dataclasses

from vaekit.objectives import Recipe, Renyi
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def renyi_vae(*, alpha: float = 0.5, samples: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE on the variational Renyi bound.

    Args:
        alpha: 0 is IWAE, 1 the ELBO.
        samples: K.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=Renyi(alpha, samples))
