r"""Conditional VAE: Sohn, Lee and Yan 2015 (NeurIPS), p(x|y) = E p(x|z,y) with the context given to both networks.

`conditional_vae` keeps the prior N(0, I), independent of y, as Kingma et al. 2014 (arXiv:1406.5298) do;
`conditional_prior_vae` is the paper's model, with prior network, recognition network and generation network.
"""

from __future__ import annotations

__all__ = ["conditional_prior_vae", "conditional_vae"]

from collections.abc import Sequence
from typing import Any

from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import Recipe
from vaekit.recipes.classed import conditional_prior
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def conditional_vae(*, context: Context | None = None, **vae_arguments: object) -> Recipe:
    """A VAE whose encoder and decoder are given y: a class, or several covariates.

    Args:
        context: how the fields of y become tensors; `vk.recipe("conditional_vae", data, y=...)` fits it.
        vae_arguments: as for `vae`.

    Example:
        >>> digits = Context({"digit": {"levels": [0, 1, 2]}})
        >>> model, objective = conditional_vae(shape=(8, 8), latent_dim=2, context=digits)
        >>> model.sample(4, y={"digit": [2]}).shape
        torch.Size([4, 8, 8])
    """
    if context is None:
        raise Mistake("conditional_vae got no context: give y= (or --condition COLUMN), or use the recipe 'vae'.")
    return vae(context=context, **vae_arguments)


@extends(conditional_vae, without=("posterior",))
def conditional_prior_vae(*, prior_hidden: Sequence[int] = (256,), **vae_arguments: Any) -> Recipe:
    """The conditional VAE with a learned prior p(z|y): what y leaves open, such as the rest of a picture, is drawn.

    One modality given others, p(x_1 | x_2, ..., x_M), is this with the others as the fields of y, all of them there:
    `model.sample(n, y={"sound": sound, "text": text})`. Where any of them may be missing, the recipe 'mvae' is wanted.

    Args:
        prior_hidden: widths of the layers of the prior network.
        vae_arguments: as for `conditional_vae`; the context may be a vector, such as the pixels that are given.

    Example:
        >>> halves = Context({"left": {"mean": [0.0] * 32, "scale": [1.0] * 32}})
        >>> model, objective = conditional_prior_vae(shape=(32,), latent_dim=2, context=halves)
        >>> model.prior.reads
        ('left',)
    """
    m, objective = conditional_vae(**vae_arguments)
    prior = conditional_prior(m.context, m.posterior.latent_shape[0], prior_hidden)
    return Recipe(VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context), objective)
