r"""Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder: Chen, Chen and Zhang 2019,
https://openreview.net/forum?id=rkglvsC9Ym.

.. math:: -\log p(x|z) = \sum_i \tfrac1a \log \cosh(a (x_i - f_i(z)) / s) + \mathrm{const}
"""

from __future__ import annotations

__all__ = ["log_cosh_vae"]

from vaekit.likelihoods import LogCosh
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("likelihood",))
def log_cosh_vae(*, sharpness: float = 10.0, **vae_arguments: object) -> Recipe:
    """A VAE with the log-cosh loss as its likelihood: small errors are squared, large ones count as they are.

    Args:
        sharpness: a; large ones are nearer to the absolute error.
        vae_arguments: as for `vae`.
    """
    return vae(likelihood=LogCosh(sharpness=sharpness), **vae_arguments)
