r"""Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives: Tucker et al. 2019,
https://arxiv.org/abs/1810.04152.

.. math:: \nabla_\phi L_K = E \sum_k \tilde w_k^2 \frac{\partial \log w_k}{\partial z_k} \nabla_\phi z_k
"""

from __future__ import annotations

__all__ = ["dreg"]

import dataclasses

from vaekit.objectives import DReG, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def dreg(*, samples: int = 8, **vae_arguments: object) -> Recipe:
    """An importance-weighted VAE whose encoder's gradient keeps its signal as K grows.

    Args:
        samples: K.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=DReG(samples))
