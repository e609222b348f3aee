r"""beta-VAE: Higgins et al. 2017 (ICLR), https://openreview.net/forum?id=Sy2fzU9gl.

.. math:: \max E_{q(z|x)}[\log p(x|z)] - \beta\, KL(q(z|x) \| p(z))
"""

from __future__ import annotations

__all__ = ["beta_vae"]

from vaekit.objectives import Recipe, Schedule
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def beta_vae(*, beta: float | Schedule = 4.0, **vae_arguments: object) -> Recipe:
    """A VAE whose rate is weighed by beta.

    Args:
        beta: the weight of the rate; above 1 the latents are pressed to be few and independent.
        vae_arguments: as for `vae`.

    Example:
        >>> beta_vae(shape=(28, 28), latent_dim=8).objective.beta.value()
        tensor(4.)
    """
    return vae(beta=beta, **vae_arguments)
