"""A VAE under a prior that is a flow, for posteriors that have a density to hold against its own."""

from __future__ import annotations

__all__ = ["under_flow"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks.flows import Layer
from vaekit.objectives import Recipe
from vaekit.priors import FlowPrior, Laplace, StandardNormal


def under_flow(recipe: Recipe, layers: Sequence[Layer]) -> Recipe:
    """The same with noise that is pushed through a flow as its prior.

    Args:
        recipe: a VAE's, under the prior that its posterior is usually met by.
        layers: of the flow.

    Raises:
        Mistake: for a posterior without a density on R^D, from which the flow's has no distance.
    """
    m: Any = recipe.model
    if not isinstance(m.prior, (StandardNormal, Laplace)) or not m.posterior.has_density:
        raise Mistake(
            f"a flow is a prior of real latents and the posterior {type(m.posterior).__name__} has no density on R^D: "
            "use Gaussian, FullGaussian or Laplace, or the recipe 'vae'."
        )
    (latents,) = m.posterior.latent_shape
    prior = FlowPrior(latents, layers)
    return dataclasses.replace(
        recipe, model=VAE(prior, m.posterior, m.likelihood, transform=m.transform, context=m.context)
    )
