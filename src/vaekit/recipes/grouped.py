"""What the recipes for groups of items share."""

from __future__ import annotations

__all__ = ["adaptive", "pooled"]

import dataclasses
from collections.abc import Callable
from typing import Any

from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import GroupELBO, Recipe
from vaekit.part import Part
from vaekit.posteriors import Adaptive, AnyPosterior, Grouped
from vaekit.recipes.kingma2014 import vae


def of_groups(
    name: str, context: Context | None, wrap: Callable[..., AnyPosterior], vae_arguments: dict[str, Any]
) -> Recipe:
    """A VAE whose context says which items belong together and is given to no network; wrap takes its posterior."""
    if context is None:
        raise Mistake(f"{name} got no groups: give y= (or --condition COLUMN), the same value for items that share.")
    recipe = vae(**vae_arguments)
    m: Any = recipe.model
    posterior = wrap(m.posterior, reads=tuple(context.widths))
    model = VAE(m.prior, posterior, m.likelihood, transform=m.transform, context=context)
    return dataclasses.replace(recipe, model=model)


def pooled(name: str, pool: Part, context: Context | None, shared: int | None, vae_arguments: dict[str, Any]) -> Recipe:
    """A VAE of groups with the first latents in common, `shared` of them or half."""

    def wrap(q: Any, reads: tuple[str, ...]) -> Grouped:
        return Grouped(q, pool, max(1, q.latent_shape[0] // 2) if shared is None else shared, reads=reads)

    recipe = of_groups(name, context, wrap, vae_arguments)
    bound: Any = recipe.objective
    return dataclasses.replace(recipe, objective=GroupELBO(beta=bound.beta))


def adaptive(name: str, pool: Part, context: Context | None, vae_arguments: dict[str, Any]) -> Recipe:
    """A VAE of groups that finds for each pair which latents are in common."""
    return of_groups(name, context, lambda q, reads: Adaptive(q, pool, reads=reads), vae_arguments)
