r"""The Thermodynamic Variational Objective: Masrani et al. 2019, https://arxiv.org/abs/1907.00031.

.. math:: \sum_s (\beta_{s+1} - \beta_s) E_{\pi_{\beta_s}} \log w
"""

from __future__ import annotations

__all__ = ["tvo_vae"]

import dataclasses

from vaekit.objectives import TVO, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def tvo_vae(*, partitions: int = 5, first: float = 0.05, samples: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE on the thermodynamic objective.

    Args:
        partitions: pieces of the integral.
        first: where the first of them ends.
        samples: K.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=TVO(partitions, first, samples))
