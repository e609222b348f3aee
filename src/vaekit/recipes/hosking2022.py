r"""Hierarchical Sketch Induction for Paraphrase Generation: Hosking, Tang and Lapata 2022,
https://arxiv.org/abs/2203.03463.

.. math:: E_q[-\log p(x | \textstyle\sum_l e_l)] + N L \log K - \sum_l E_q H(q_l(\cdot | i_{<l}))
"""

from __future__ import annotations

__all__ = ["hrq_vae"]

import dataclasses

from vaekit.networks import RefiningCodes
from vaekit.objectives import ELBO, Recipe
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import PathQuantized
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("decay", "codebook", "commitment", "posterior"))
def hrq_vae(
    *,
    depth: int = 3,
    codes: int = 64,
    code_dim: int = 16,
    dropout: float = 0.1,
    **vq_vae_arguments: object,
) -> Recipe:
    """A path of codes a place from coarse to fine, drawn level by level, each beginning of which decodes by itself.

    What is reported is the ELBO of the discrete model, all of whose paths are equally likely. In training the draws are
    relaxed and a path may end early: the loss is the mean, over where paths end, of minus the ELBO of the model with so
    many levels. The weight of the rate rises over the first fifth of the run, as the recipe vae's does. The paper's
    networks are for sentences, these for pictures and vectors.

    Args:
        depth: codes of a place.
        codes: vectors in each level's codebook.
        code_dim: numbers in each vector.
        dropout: the chance, at each level, that a path ends before it in training.
        vq_vae_arguments: as for `vq_vae`.

    Example:
        >>> import torch
        >>> model = hrq_vae(shape=(6,), depth=2, codes=4, places=3).model.eval()
        >>> model.encode_indices(torch.zeros(5, 6)).shape
        torch.Size([5, 3, 2])
    """
    book = RefiningCodes(codes, code_dim, depth, dropout=dropout)
    recipe = vq_vae(codebook=book, posterior=PathQuantized, **vq_vae_arguments)
    return dataclasses.replace(recipe, objective=ELBO(beta=Linear(0.1, 1.0, steps=0.2)))
