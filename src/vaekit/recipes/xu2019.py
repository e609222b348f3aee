r"""On the Necessity and Effectiveness of Learning the Prior of Variational Auto-Encoder: Xu et al. 2019,
https://arxiv.org/abs/1905.13452.

.. math:: p(z) = N(f^{-1}(z); 0, I)\, |\det \partial f^{-1}(z) / \partial z|
"""

from __future__ import annotations

__all__ = ["realnvp_prior_vae"]

from typing import Any

from vaekit.messages import require_count
from vaekit.networks.flows import Coupling
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.flow_prior import under_flow
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def realnvp_prior_vae(*, flows: int = 8, flow_width: int = 128, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is a flow of affine couplings: quick to score and to sample.

    Args:
        flows: how many couplings; every other one moves the other half of the latents.
        flow_width: of the two layers of each.
        vae_arguments: as for `vae`.
    """
    recipe = vae(**vae_arguments)
    model: Any = recipe.model
    d: int = model.posterior.latent_shape[0]
    layers = [Coupling(d, hidden=[flow_width] * 2, odd=i % 2 == 1) for i in range(require_count("flows", flows))]
    return under_flow(recipe, layers)
