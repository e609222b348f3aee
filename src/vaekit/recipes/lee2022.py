r"""Autoregressive Image Generation using Residual Quantization: Lee et al. 2022, https://arxiv.org/abs/2203.01941.

.. math:: \hat z_l = \textstyle\sum_{i \le l} e_i, \quad
          -\log p(x|\hat z_L) + N L \log K + \beta \sum_l \|f(x) - \mathrm{sg}(\hat z_l)\|^2
"""

from __future__ import annotations

__all__ = ["rvq_vae"]

from vaekit.messages import require_count
from vaekit.networks import Codebook, ResidualCodes
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("codebook",))
def rvq_vae(
    *,
    depth: int = 4,
    codes: int = 256,
    code_dim: int = 16,
    decay: float | None = 0.99,
    **vq_vae_arguments: object,
) -> Recipe:
    """A VQ-VAE with several codes a place, each of what the codes before it left: coarse first, then finer.

    Args:
        depth: codes of a place.
        codes: vectors in each codebook.
        code_dim: numbers in each vector.
        decay: of the codebooks' moving averages; None learns them by gradient.
        vq_vae_arguments: as for `vq_vae`.
    """
    books = [Codebook(codes, code_dim, decay=decay) for _ in range(require_count("depth", depth))]
    return vq_vae(codebook=ResidualCodes(books), **vq_vae_arguments)
