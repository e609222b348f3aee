r"""Language Model Beats Diffusion: Tokenizer is Key to Visual Generation: Yu et al. 2023,
https://arxiv.org/abs/2310.05737.

.. math:: -\log p(x | \mathrm{sign}(f(x))) + N D \log 2 + \beta \|f(x) - \mathrm{sign}(f(x))\|^2
          + \lambda (E[H(q)] - H(E[q]))
"""

from __future__ import annotations

__all__ = ["lfq_vae"]

import dataclasses

from vaekit.networks import LookupFree
from vaekit.objectives import ELBO, CodeEntropy, Commitment, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("codes", "code_dim", "decay", "codebook", "posterior"))
def lfq_vae(*, bits: int = 10, commitment: float = 0.25, entropy: float = 0.1, **vq_vae_arguments: object) -> Recipe:
    """A VQ-VAE whose codes are the signs of the encoder's output, and an entropy that keeps all of them in use.

    Args:
        bits: of a code; there are 2^bits codes.
        commitment: how strongly the encoder is drawn to its codes.
        entropy: the weight of the codes' entropy for an item less that of all items.
        vq_vae_arguments: as for `vq_vae`.
    """
    objective = ELBO() + Commitment(commitment) + entropy * CodeEntropy()
    return dataclasses.replace(vq_vae(codebook=LookupFree(bits), **vq_vae_arguments), objective=objective)
