r"""NVAE: Vahdat and Kautz 2020, https://arxiv.org/abs/2007.03898.

.. math:: q(z_l | z_{<l}, x) = N(\mu_p + \Delta\mu, (\sigma_p \Delta\sigma)^2)
"""

from __future__ import annotations

__all__ = ["nvae"]

from vaekit.models import ResidualPictureBlock
from vaekit.objectives import Recipe
from vaekit.recipes.child2021 import vdvae
from vaekit.recipes.declare import extends


@extends(vdvae, without=("block", "wide"))
def nvae(**vdvae_arguments: object) -> Recipe:
    """Many levels of latent maps whose posteriors are residuals of their priors, in NVAE's cells; a small one.

    Scales are bounded in place of the paper's spectral regularisation, and groups are normalised in place of batches.

    Args:
        vdvae_arguments: as for `vdvae`.
    """
    return vdvae(block=ResidualPictureBlock, wide=True, **vdvae_arguments)
