r"""Image and Video Tokenization with Binary Spherical Quantization: Zhao, Xiong and Krähenbühl 2024,
https://arxiv.org/abs/2406.07548.

.. math:: -\log p(x | \mathrm{sign}(u) / \sqrt D) + N D \log 2 + \lambda (E[H(q)] - \gamma H(E[q])), \quad
          u = f(x) / \|f(x)\|
"""

from __future__ import annotations

__all__ = ["bsq_vae"]

import dataclasses

from vaekit.networks import BinarySpherical
from vaekit.objectives import ELBO, CodeEntropy, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("codes", "code_dim", "decay", "codebook", "commitment", "posterior"))
def bsq_vae(
    *, bits: int = 18, entropy: float = 0.1, group: int = 9, diversity: float = 1.0, **vq_vae_arguments: object
) -> Recipe:
    """A VQ-VAE on the unit sphere, whose codes are the corners of a cube: many bits a place, at a bounded error.

    Args:
        bits: of a code; there are 2^bits codes.
        entropy: the weight of the codes' entropy for an item less that of all items.
        group: how many bits' joint entropy is taken; with 1 each bit counts by itself.
        diversity: the weight of the second entropy beside the first.
        vq_vae_arguments: as for `vq_vae`.
    """
    objective = ELBO() + entropy * CodeEntropy(group=group, diversity=diversity)
    return dataclasses.replace(vq_vae(codebook=BinarySpherical(bits), **vq_vae_arguments), objective=objective)
