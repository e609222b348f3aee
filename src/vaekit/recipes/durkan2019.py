r"""Neural Spline Flows: Durkan et al. 2019, https://arxiv.org/abs/1906.04032.

.. math:: p(z) = N(f^{-1}(z); 0, I)\, |\det \partial f^{-1}(z) / \partial z|, \quad f \text{ of rational quadratics}
"""

from __future__ import annotations

__all__ = ["spline_prior_vae"]

from typing import Any

from vaekit.messages import require_count
from vaekit.networks.flows import SplineCoupling
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.flow_prior import under_flow
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def spline_prior_vae(*, flows: int = 8, flow_width: int = 128, bins: int = 8, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is a flow of monotone splines: quick to score and to sample, with several peaks at need.

    The paper's VAE has such a flow as its posterior too.

    Args:
        flows: how many couplings; every other one moves the other half of the latents.
        flow_width: of the two layers of each.
        bins: of each spline.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    m: Any = recipe.model
    (d,) = m.posterior.latent_shape
    more: dict[str, Any] = {"hidden": [flow_width] * 2, "bins": bins}
    layers = [SplineCoupling(d, odd=i % 2 == 1, **more) for i in range(require_count("flows", flows))]
    return under_flow(recipe, layers)
