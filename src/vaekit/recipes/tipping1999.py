r"""Probabilistic PCA: Tipping and Bishop 1999 (JRSS B 61), the VAE whose optimum is known.

.. math:: W = U_q (\Lambda_q - \sigma^2 I)^{1/2}, \quad \sigma^2 = \frac{1}{D-q} \sum_{j>q} \lambda_j, \quad
          q(z|x) = N(M^{-1} W^T (x-\mu), \sigma^2 M^{-1}), \; M = W^T W + \sigma^2 I = \Lambda_q
"""

from __future__ import annotations

__all__ = ["ppca"]

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vaekit.data.transforms import Transform
from vaekit.likelihoods import Gaussian
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import Dense
from vaekit.objectives import ELBO, Recipe
from vaekit.recipes.compose import compose, latent_size
from vaekit.recipes.declare import declare
from vaekit.recipes.linear import decode_linearly, principal_axes, set_linear


def closed_form(model: VAE, x: Tensor) -> None:
    """The maximum of the likelihood, at which the posterior is exact and the ELBO is log p(x).

    Args:
        model: linear, from `ppca`.
        x: (N, *X) in the model's units.
    """
    mean, values, vectors = principal_axes(x)
    q = model.posterior.latent_shape[0]
    noise = values[q:].mean()
    if not noise > 0:
        raise Mistake(
            f"the data varies in no more than {q} directions, so that nothing is left for the noise of ppca: "
            "give a smaller latent_dim, or more data."
        )
    leading, axes = values[:q], vectors[:, :q]
    weight = axes * (leading - noise).clamp_min(0).sqrt()  # (D, q), orthogonal columns: M is diagonal
    precision = weight.square().sum(0) + noise  # the diagonal of M
    project = weight.T / precision[:, None]  # (q, D)
    log_scale = 0.5 * (noise / precision).log()
    set_linear(
        model.posterior.head,
        torch.cat([project, torch.zeros_like(project)]),
        torch.cat([-project @ mean, log_scale]),
    )
    decode_linearly(model, weight, mean)
    model.likelihood.scale.start_at(noise.sqrt())  # type: ignore[operator, union-attr]


@declare
def ppca(*, shape: Sequence[int], latent_dim: int | None = None, transform: Transform | None = None) -> Recipe:
    """The linear Gaussian VAE, at its closed form before the first step (and no step is needed).

    Args:
        shape: of one item.
        latent_dim: the number of latents, below the number of dimensions.
        transform: as for vk.VAE.
    """
    latents = latent_size(shape, latent_dim)
    if latents >= math.prod(shape):
        raise Mistake(f"got latent_dim={latents} for data of {math.prod(shape)} dimensions and wanted fewer latents.")
    model = compose(shape, latents, networks=Dense(()), likelihood=Gaussian(), transform=transform)
    return Recipe(model, ELBO(), defaults={"steps": 0}, start=closed_form)
