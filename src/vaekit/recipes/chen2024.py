r"""Deep Compression Autoencoder for Efficient High-Resolution Diffusion Models: Chen et al. 2024,
https://arxiv.org/abs/2410.10733.

.. math:: \mathrm{down}(x) = \mathrm{mean}(\mathrm{space\ to\ channels}(x)) + f(x), \quad
          \mathrm{up}(x) = \mathrm{channels\ to\ space}(\mathrm{repeat}(x)) + g(x)
"""

from __future__ import annotations

__all__ = ["dc_ae"]

from collections.abc import Sequence

from torch import nn

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Laplace
from vaekit.networks import Compressing
from vaekit.objectives import Recipe, Reconstruction
from vaekit.posteriors import PointMap
from vaekit.recipes.declare import declare
from vaekit.recipes.judged import on_map, seen_by


@declare
def dc_ae(
    *,
    shape: Sequence[int],
    latents: int = 16,
    channels: Sequence[int] = (16, 32, 64),
    blocks: int = 1,
    features: nn.Module | None = None,
    perceptual: float = 1.0,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """Pictures to a map of very few places with many numbers each, by shortcuts that only average.

    A deterministic encoder: no rate and no density; `vk.fit_prior` makes samples. This is the paper's first phase,
    without its later ones of larger pictures and of a judge for the last layers.

    Args:
        shape: of one picture, of any channels, height and width.
        latents: at each place of the map.
        channels: after each halving; each divides four times the one before.
        blocks: residual cells at each size.
        features, perceptual: as for `kl_autoencoder`.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = dc_ae(shape=(3, 32, 40), latents=8, channels=[8, 16, 16, 16])
        >>> model.posterior.places, model.posterior.latent_shape
        ((2, 3), (48,))
    """
    model = on_map(
        shape, latents, Compressing(channels, blocks), PointMap, likelihood=Laplace(), transform=transform,
        context=context,
    )  # fmt: skip
    return Recipe(model, seen_by(features, Reconstruction(), shape, perceptual), defaults={"lr": 1e-3})
