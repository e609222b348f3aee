r"""Conditional VAE: Sohn, Lee and Yan 2015 (NeurIPS), p(x|y) = E p(x|z,y) with the context given to both networks.

The prior stays N(0, I), independent of y, as in Kingma et al. 2014 (arXiv:1406.5298).
"""

from __future__ import annotations

__all__ = ["conditional_vae"]

from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.objectives import Recipe
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
