r"""Categorical Reparameterization with Gumbel-Softmax: Jang, Gu and Poole 2017, https://arxiv.org/abs/1611.01144.

.. math:: z = \mathrm{softmax}((\log \pi + g) / \tau), \quad g \sim \mathrm{Gumbel}(0, 1)
"""

from __future__ import annotations

__all__ = ["gumbel_vae", "straight_through_gumbel_vae"]

from functools import partial
from typing import Any

from vaekit.objectives import Recipe, Schedule
from vaekit.objectives.schedules import Exponential
from vaekit.posteriors import RelaxedCategorical, StraightThroughCategorical
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("latent_dim", "posterior"))
def gumbel_vae(
    *, variables: int = 20, levels: int = 10, temperature: float | Schedule | None = None, **vae_arguments: object
) -> Recipe:
    """A VAE of categorical latents, whose draws are relaxed while it is trained and one-hot ever after.

    Args:
        variables: categorical latents.
        levels: values of each.
        temperature: of the relaxation; where nothing is given it falls from 1 to 0.5 over the first half of the run.
        vae_arguments: as for `vae`.

    Example:
        >>> model, objective = gumbel_vae(shape=(28, 28), variables=3, levels=4)
        >>> model.posterior.latent_shape, model.sample(2).shape
        ((12,), torch.Size([2, 28, 28]))
    """
    return _relaxed(RelaxedCategorical, variables, levels, temperature, vae_arguments)


@extends(gumbel_vae)
def straight_through_gumbel_vae(
    *, variables: int = 20, levels: int = 10, temperature: float | Schedule | None = None, **vae_arguments: object
) -> Recipe:
    """The same with one-hot draws in training too, which pass the relaxed ones' gradient.

    Args:
        variables, levels, temperature: as for `gumbel_vae`.
        vae_arguments: as for `vae`.
    """
    return _relaxed(StraightThroughCategorical, variables, levels, temperature, vae_arguments)


def _relaxed(family: Any, variables: int, levels: int, temperature: Any, vae_arguments: dict[str, Any]) -> Recipe:
    falling = Exponential(1.0, 0.5, steps=0.5) if temperature is None else temperature
    posterior = partial(family, levels=levels, temperature=falling)
    return vae(latent_dim=variables * levels, posterior=posterior, **vae_arguments)
