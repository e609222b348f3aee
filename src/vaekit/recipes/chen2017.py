r"""Variational Lossy Autoencoder: Chen et al. 2017, https://arxiv.org/abs/1611.02731.

.. math:: p(z) = \prod_i N(z_i; \mu_i(z_{<i}), \sigma_i(z_{<i})^2), \text{ several times over}
"""

from __future__ import annotations

__all__ = ["flow_prior_vae"]

from vaekit.messages import require_count
from vaekit.models import VAE
from vaekit.networks.flows import Autoregressive, Reversed
from vaekit.objectives import Recipe
from vaekit.priors import FlowPrior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def flow_prior_vae(*, flows: int = 4, flow_width: int = 128, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is an autoregressive flow: quick to score, and a pass for each latent to sample.

    The paper's decoders, which see only a neighbourhood of each pixel, are another part of it.

    Args:
        flows: how many maps, each in the other order.
        flow_width: of the masked network of each.
        vae_arguments: as for `vae`.
    """
    m, objective = vae(**vae_arguments)
    d = m.posterior.latent_shape[0]
    turns = [i % 2 == 1 for i in range(require_count("flows", flows))]
    prior = FlowPrior(d, [Reversed(Autoregressive(d, hidden=[flow_width], backwards=turn)) for turn in turns])
    return Recipe(VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context), objective)
