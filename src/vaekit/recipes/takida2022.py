r"""SQ-VAE: Variational Bayes on Discrete Representation with Self-annealed Stochastic Quantization: Takida et al. 2022,
https://arxiv.org/abs/2205.07547.

.. math:: E_q[-\log p(x|e)] + N \log K - H(q) + E_q \|f(x) - e\|^2 / 2 \sigma^2
"""

from __future__ import annotations

__all__ = ["sq_vae"]

import dataclasses

from vaekit.networks import Codebook
from vaekit.objectives import ELBO, Dequantization, Recipe
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import StochasticallyQuantized
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("decay", "codebook", "commitment", "posterior"))
def sq_vae(*, codes: int = 128, code_dim: int = 16, **vq_vae_arguments: object) -> Recipe:
    """A VQ-VAE that draws its codes, less and less at random as the model comes to fit.

    Its ELBO and its rate, which is below N log K, are those of the discrete model. The weight of the rate rises over
    the first half of the run, that of the distance to the vectors nearly to its end: sooner, they win over a decoder
    that cannot do anything yet, and all pictures get the same codes.

    Args:
        codes: vectors in the codebook.
        code_dim: numbers in each.
        vq_vae_arguments: as for `vq_vae`.
    """
    book = Codebook(codes, code_dim, decay=None)
    recipe = vq_vae(codebook=book, posterior=StochasticallyQuantized, **vq_vae_arguments)
    objective = ELBO(beta=Linear(0.0, 1.0, steps=0.5)) + Dequantization() * Linear(0.0, 1.0, steps=0.9)
    return dataclasses.replace(recipe, objective=objective)
