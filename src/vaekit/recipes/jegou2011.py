r"""Product Quantization for Nearest Neighbor Search: Jégou, Douze and Schmid 2011,
https://doi.org/10.1109/TPAMI.2010.57; here of an encoder's output.

.. math:: \hat z = (e_1(z_1), \ldots, e_G(z_G))
"""

from __future__ import annotations

__all__ = ["grouped_vq_vae"]

from vaekit.messages import Mistake, require_count
from vaekit.networks import Codebook, Grouped
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("codebook",))
def grouped_vq_vae(
    *,
    groups: int = 4,
    codes: int = 256,
    code_dim: int = 16,
    decay: float | None = 0.99,
    **vq_vae_arguments: object,
) -> Recipe:
    """A VQ-VAE with several codes a place, each for its own part of the vector: K^G vectors from G K.

    Args:
        groups: codes of a place.
        codes: vectors in each codebook.
        code_dim: numbers of a place, a multiple of groups.
        decay: of the codebooks' moving averages; None learns them by gradient.
        vq_vae_arguments: as for `vq_vae`.
    """
    if code_dim % require_count("groups", groups):
        raise Mistake(f"got code_dim={code_dim} and groups={groups}: give a multiple, such as {4 * groups}.")
    books = [Codebook(codes, code_dim // groups, decay=decay) for _ in range(groups)]
    return vq_vae(codebook=Grouped(books), **vq_vae_arguments)
