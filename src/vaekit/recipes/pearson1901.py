"""Principal component analysis: Pearson 1901; as a model, a point posterior with orthogonal linear networks."""

from __future__ import annotations

__all__ = ["pca"]

import math
from collections.abc import Sequence

from torch import Tensor

from vaekit.data.transforms import Transform
from vaekit.likelihoods import Gaussian
from vaekit.models import VAE
from vaekit.networks import Dense
from vaekit.objectives import Recipe, Reconstruction
from vaekit.posteriors import Point
from vaekit.recipes.compose import compose, latent_size
from vaekit.recipes.declare import declare
from vaekit.recipes.linear import decode_linearly, principal_axes, set_linear


def closed_form(model: VAE, x: Tensor) -> None:
    """The leading eigenvectors of the covariance; the scale is the root mean square error.

    The components are in the user's units, as everybody's are: the transform's one factor is divided out.

    Args:
        model: linear, from `pca`.
        x: (N, *X) in the model's units.
    """
    mean, values, vectors = principal_axes(x)
    latents = model.posterior.latent_shape[0]
    axes = vectors[:, :latents]  # (D, latents)
    factor = 1.0 if model.transform is None else float(model.transform.factor.mean())
    set_linear(model.posterior.head, axes.T / factor, -axes.T @ mean / factor)
    decode_linearly(model, axes * factor, mean)
    error = values[latents:].sum() / math.prod(model.shape)
    model.likelihood.scale.start_at(error.sqrt())  # type: ignore[operator, union-attr]


@declare
def pca(*, shape: Sequence[int], latent_dim: int | None = None, transform: Transform | None = None) -> Recipe:
    """The projection on the leading principal components, and back.

    Args:
        shape: of one item.
        latent_dim: the number of components.
        transform: as for vk.VAE.
    """
    latents = latent_size(shape, latent_dim)
    model = compose(shape, latents, networks=Dense(()), posterior=Point, likelihood=Gaussian(), transform=transform)
    return Recipe(model, Reconstruction(), defaults={"steps": 0}, start=closed_form)
