r"""Group-based Learning of Disentangled Representations with Generalizability for Novel Contents: Hosoya 2019,
https://arxiv.org/abs/1809.02383.

.. math:: q(c|x_G) = N(c; \overline{\mu(x_i)}, \overline{\sigma^2(x_i)})
"""

from __future__ import annotations

__all__ = ["group_vae"]

from typing import Any

from vaekit.objectives import Recipe
from vaekit.posteriors import Average
from vaekit.recipes.bouchacourt2018 import ml_vae
from vaekit.recipes.declare import extends
from vaekit.recipes.grouped import pooled


@extends(ml_vae)
def group_vae(*, context: Any = None, shared: int | None = None, **vae_arguments: Any) -> Recipe:
    """A VAE of groups whose common latents are inferred by the average of the items' posteriors.

    Args:
        context, shared, vae_arguments: as for `ml_vae`.
    """
    return pooled("group_vae", Average(), context, shared, vae_arguments)
