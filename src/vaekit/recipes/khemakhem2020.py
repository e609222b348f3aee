r"""Variational Autoencoders and Nonlinear ICA: Khemakhem, Kingma, Monti and Hyvärinen 2020,
https://arxiv.org/abs/1907.04809.

.. math:: p(x, z|u) = p(x|z) \prod_i N(z_i; \mu_i(u), \sigma_i(u)^2)
"""

from __future__ import annotations

__all__ = ["ivae"]

from collections.abc import Sequence
from typing import Any

from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.recipes.classed import conditional_prior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def ivae(
    *, context: Context | None = None, prior_hidden: Sequence[int] = (128, 128), **vae_arguments: object
) -> Recipe:
    """A VAE with a prior and a posterior that are given u, and a decoder that is not: its latents are identifiable.

    Args:
        context: u, a class or covariates; `vk.recipe("ivae", data, y=...)` fits it.
        prior_hidden: widths of the prior's layers.
        vae_arguments: as for `vae`.

    Example:
        >>> segments = Context({"segment": {"levels": [0, 1, 2]}})
        >>> model, objective = ivae(shape=(4,), latent_dim=2, context=segments)
        >>> model.prior.reads, model.posterior.reads, model.likelihood.reads
        (('segment',), ('segment',), ())
    """
    if context is None:
        raise Mistake("ivae got no context: give the auxiliary variable as y= (or --condition COLUMN).")
    m, objective = vae(**vae_arguments)
    given: Any = vae(context=context, **vae_arguments).model.posterior
    prior = conditional_prior(context, given.latent_shape[0], prior_hidden)
    return Recipe(VAE(prior, given, m.likelihood, transform=m.transform, context=context), objective)
