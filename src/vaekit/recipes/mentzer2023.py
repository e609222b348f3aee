r"""Finite Scalar Quantization: VQ-VAE Made Simple: Mentzer, Minnen, Agustsson and Tschannen 2023,
https://arxiv.org/abs/2309.15505.

.. math:: -\log p(x | \mathrm{round}(f(x))) + N \textstyle\sum_d \log L_d
"""

from __future__ import annotations

__all__ = ["fsq_vae"]

import dataclasses
from collections.abc import Sequence

from vaekit.networks import FSQ
from vaekit.objectives import ELBO, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("codes", "code_dim", "decay", "commitment", "codebook"))
def fsq_vae(*, levels: Sequence[int] = (8, 5, 5, 5), **vq_vae_arguments: object) -> Recipe:
    """A VQ-VAE without a codebook: a few numbers a place, each rounded to one of a few levels.

    Nothing has to be learned or revived for all codes to be in use.

    Args:
        levels: of each number, 3 or more; their product is the number of codes, 1,000 here.
        vq_vae_arguments: as for `vq_vae`.
    """
    return dataclasses.replace(vq_vae(codebook=FSQ(levels), **vq_vae_arguments), objective=ELBO())
