r"""Continuous Hierarchical Representations with Poincare Variational Auto-Encoders: Mathieu et al. 2019,
https://arxiv.org/abs/1901.06033.

.. math:: p(z) = N_{wrapped}(z; 0, 1), \quad q(z|x) = N_{wrapped}(z; \exp_0 f(x), \sigma(x)^2)
"""

from __future__ import annotations

__all__ = ["poincare_vae"]

import functools
from collections.abc import Sequence

from torch import nn

from vaekit.networks import Curved, Gyroplanar
from vaekit.objectives import Recipe
from vaekit.posteriors import WrappedNormal
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior", "networks"))
def poincare_vae(
    *,
    curvature: float = 1.0,
    hidden: Sequence[int] = (512, 256),
    activation: type[nn.Module] = nn.ReLU,
    pair: type[Curved] = Gyroplanar,
    **vae_arguments: object,
) -> Recipe:
    """A VAE with latents in the Poincare ball, where trees have room: what is general near its centre.

    Args:
        curvature: c; the ball has the curvature -c and the radius 1 / sqrt(c).
        hidden: widths of the encoder's layers, the decoder's in reverse; its first layer is distances to hyperplanes.
        activation: a torch.nn class.
        pair: vk.networks.Gyroplanar, or vk.networks.Lorentzian, whose decoder reads coordinates in place of distances.
        vae_arguments: as for `vae`.

    Example:
        >>> model, objective = poincare_vae(shape=(28, 28), latent_dim=2, hidden=[64])
        >>> bool((model.prior().sample((5,)).norm(dim=-1) < 1).all())
        True
    """
    posterior = functools.partial(WrappedNormal, curvature=curvature)
    return vae(posterior=posterior, networks=pair(hidden, activation, curvature), **vae_arguments)
