r"""Variational Lossy Autoencoder: Chen et al. 2017, https://arxiv.org/abs/1611.02731.

.. math:: p(z) = \prod_i N(z_i; \mu_i(z_{<i}), \sigma_i(z_{<i})^2), \text{ several times over}, \qquad
          p(x|z) = \prod_i p(x_i | z, x_{\text{near } i})
"""

from __future__ import annotations

__all__ = ["flow_prior_vae", "lossy_vae"]

from typing import Any

from vaekit.messages import require_count
from vaekit.networks.flows import Autoregressive, Reversed
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.flow_prior import under_flow
from vaekit.recipes.gulrajani2017 import pixel_vae
from vaekit.recipes.kingma2014 import vae


@extends(vae)
def flow_prior_vae(*, flows: int = 4, flow_width: int = 128, **vae_arguments: object) -> Recipe:
    """A VAE whose prior is an autoregressive flow: quick to score, and a pass for each latent to sample.

    The paper's decoders, which see only a neighbourhood of each pixel, are the other part of `lossy_vae`.

    Args:
        flows: how many maps, each in the other order.
        flow_width: of the masked network of each.
        vae_arguments: as for `vae`.
    """
    return _with_flow_prior(vae(**vae_arguments), flows, flow_width)


@extends(pixel_vae)
def lossy_vae(*, flows: int = 4, flow_width: int = 128, **pixel_vae_arguments: object) -> Recipe:
    """For pictures: pixels that see those just before them, latents for the rest, and a prior that is a flow.

    A pixel sees (layers + 1) (size // 2) rows and columns back. What is farther away only the latents can tell, so that
    they stay in use; what is nearer, such as texture, they leave to the pixels: the code is lossy by design.

    Args:
        flows, flow_width: as for `flow_prior_vae`.
        pixel_vae_arguments: as for `pixel_vae`; layers and size are the window.
    """
    return _with_flow_prior(pixel_vae(**pixel_vae_arguments), flows, flow_width)


def _with_flow_prior(recipe: Recipe, flows: int, flow_width: int) -> Recipe:
    m: Any = recipe.model
    d = m.posterior.latent_shape[0]
    turns = [i % 2 == 1 for i in range(require_count("flows", flows))]
    return under_flow(recipe, [Reversed(Autoregressive(d, hidden=[flow_width], backwards=turn)) for turn in turns])
