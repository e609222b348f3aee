r"""Improved Variational Inference with Inverse Autoregressive Flow: Kingma et al. 2016,
https://arxiv.org/abs/1606.04934.

.. math:: z_t = \sigma_t \odot z_{t-1} + (1 - \sigma_t) \odot m_t, \qquad
          \max E \log p(x|z) - \sum_j \max(\lambda, KL_j)
"""

from __future__ import annotations

__all__ = ["free_bits_vae", "iaf_vae"]

import dataclasses
import itertools
from typing import Any

from vaekit.networks.flows import InverseAutoregressive
from vaekit.objectives import FreeBits, Recipe, Reconstruction
from vaekit.recipes.compose import bent
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("beta",))
def free_bits_vae(*, free_bits: float = 0.5, **vae_arguments: object) -> Recipe:
    """A VAE whose latents each have some nats of rate for nothing, which keeps them in use.

    Args:
        free_bits: nats a latent.
        vae_arguments: as for `vae`.
    """
    return dataclasses.replace(vae(**vae_arguments), objective=Reconstruction() + FreeBits(free_bits))


@extends(vae, without=("posterior",))
def iaf_vae(*, flows: int = 4, flow_width: int = 320, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is pushed through inverse autoregressive maps, each in the other order.

    Args:
        flows: how many maps.
        flow_width: of the masked network of each.
        vae_arguments: as for `vae`.
    """
    turns = itertools.cycle((False, True))

    def layer(*sizes: Any) -> InverseAutoregressive:
        return InverseAutoregressive(*sizes, hidden=[flow_width], backwards=next(turns))

    return bent(vae(**vae_arguments), layer, flows)
