r"""Hyperspherical Variational Auto-Encoders: Davidson et al. 2018, https://arxiv.org/abs/1804.00891.

.. math:: \max E_{q(z|x)}[\log p(x|z)] - KL(\mathrm{vMF}(\mu(x), \kappa(x)) \| U(S^{D-1}))
"""

from __future__ import annotations

__all__ = ["svae"]

from collections.abc import Sequence

from vaekit.objectives import Recipe
from vaekit.posteriors import Posterior, VonMisesFisher
from vaekit.recipes.compose import latent_size
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def svae(
    *,
    shape: Sequence[int],
    latent_dim: int | None = None,
    posterior: type[Posterior] = VonMisesFisher,
    **vae_arguments: object,
) -> Recipe:
    """A VAE with latents on the unit sphere, whose prior is uniform: nothing is pulled to a centre.

    Args:
        shape: of one item.
        latent_dim: numbers of a latent, 2 or more, one more than the sphere's dimensions; as for `vae` where not given.
        posterior: vk.posteriors.VonMisesFisher, or PowerSpherical.
        vae_arguments: as for `vae`.

    Example:
        >>> model, objective = svae(shape=(28, 28), latent_dim=3, hidden=[64])
        >>> model.prior().sample((5,)).norm(dim=-1).round(decimals=4)
        tensor([1., 1., 1., 1., 1.])
    """
    size = max(2, latent_size(shape, None)) if latent_dim is None else latent_dim
    return vae(shape=shape, latent_dim=size, posterior=posterior, **vae_arguments)
