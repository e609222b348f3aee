r"""Preventing Posterior Collapse with delta-VAEs: Razavi et al. 2019, https://arxiv.org/abs/1901.03416.

.. math:: \min_q KL(q(z|x) \| p(z)) = \delta, \quad z_t = \alpha z_{t-1} + \sqrt{1 - \alpha^2}\, \epsilon_t
"""

from __future__ import annotations

__all__ = ["delta_vae"]

from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.priors import Autoregressive
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae

EACH = 0.1  # nats a latent that are always paid where nothing is said


@extends(vae, without=("posterior",))
def delta_vae(*, rate: float | None = None, channels: int = 1, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is correlated and whose posterior is not, so that its rate cannot fall below what you ask for.

    Args:
        rate: delta, nats an item; a tenth of a nat a latent where nothing is given.
        channels: latents of each step of the prior's autoregression.
        vae_arguments: as for `vae`; latent_dim is a multiple of channels, twice or more.
    """
    m, objective = vae(**vae_arguments)
    latents = m.posterior.latent_shape[0]
    if latents % channels or latents < 2 * channels:
        raise Mistake(f"got {latents} latents and channels={channels}: give two steps or more of as many latents each.")
    prior = Autoregressive(latents // channels, channels, rate=EACH * latents if rate is None else rate)
    return Recipe(VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context), objective)
