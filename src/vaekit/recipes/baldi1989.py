"""The linear autoencoder: Baldi and Hornik 1989; at its optimum it spans PCA's subspace, its axes are arbitrary."""

from __future__ import annotations

__all__ = ["linear_autoencoder"]

from collections.abc import Sequence

from vaekit.data.transforms import Transform
from vaekit.likelihoods import FixedScale, Gaussian
from vaekit.networks import Dense
from vaekit.objectives import Recipe, Reconstruction
from vaekit.posteriors import Point
from vaekit.recipes.compose import compose, latent_size
from vaekit.recipes.declare import declare


@declare
def linear_autoencoder(
    *, shape: Sequence[int], latent_dim: int | None = None, transform: Transform | None = None
) -> Recipe:
    """One linear layer down, one up, squared error.

    Args:
        shape: of one item.
        latent_dim: the number of latents.
        transform: as for vk.VAE.
    """
    model = compose(
        shape, latent_size(shape, latent_dim), networks=Dense(()), posterior=Point,
        likelihood=Gaussian(scale=FixedScale(1.0)), transform=transform,
    )  # fmt: skip
    return Recipe(model, Reconstruction(), defaults={"lr": 1e-2, "batch_size": 256, "steps": 2000})
