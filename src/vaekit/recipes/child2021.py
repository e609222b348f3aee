"""Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images: Child 2021,
https://arxiv.org/abs/2011.10650.
"""

from __future__ import annotations

__all__ = ["vdvae"]

from collections.abc import Sequence

from torch import nn

from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.messages import require_count, require_counts
from vaekit.models import HierarchicalVAE, PictureBlock
from vaekit.networks import ConvDecoder, PictureLevel, picture_shape
from vaekit.networks.conv import halvings
from vaekit.objectives import ELBO, Recipe, Schedule
from vaekit.objectives.schedules import Linear
from vaekit.recipes.compose import default_likelihood
from vaekit.recipes.declare import declare


@declare
def vdvae(
    *,
    shape: Sequence[int],
    channels: Sequence[int] = (32, 64),
    groups: int = 2,
    latents: int = 4,
    block: type[PictureBlock] = PictureBlock,
    wide: bool = False,
    likelihood: Likelihood | None = None,
    beta: float | Schedule | None = None,
    transform: Transform | None = None,
) -> Recipe:
    """Many levels of latent maps, from coarse to fine; a small one, for pictures.

    The paper's models have 45 levels and more and train for weeks; gradients that are far too large are left out by
    the training step itself.

    Args:
        shape: of one picture.
        channels: of the states after each halving of the picture; a size each.
        groups: levels of each size.
        latents: of each place of a level's map.
        block: the class of the levels.
        wide: whether the cells are NVAE's.
        likelihood: a part of vk.likelihoods without its network.
        beta: the weight of the rate; where nothing is given it rises from 0.1 to 1 over the first fifth of the run.
        transform: as for vk.VAE.

    Example:
        >>> model, objective = vdvae(shape=(16, 12), channels=[8, 8], groups=2, latents=1)
        >>> [block.latent_dim for block in model.levels]
        [12, 12, 48, 48]
    """
    _, height, width = picture_shape(shape)
    channels, groups = require_counts("channels", channels), require_count("groups", groups)
    sizes = [(c, *size) for c, size in zip(channels, halvings(height, width, len(channels))[1:], strict=True)]
    upward = [size for size in sizes for _ in range(groups)]  # from the bottom
    below = [tuple(shape), *upward[:-1]]
    encoder: list[nn.Module] = [PictureLevel(a, b, wide=wide) for a, b in zip(below, upward, strict=True)]
    down = upward[::-1]  # from the top
    levels = [
        block(require_count("latents", latents), shape=own, above=above, wide=wide)
        for above, own in zip([None, *down[:-1]], down, strict=True)
    ]
    template = likelihood if likelihood is not None else default_likelihood(shape)
    made = template.with_net(ConvDecoder(shape, sizes[0], channels[:1]), shape)
    model = HierarchicalVAE(encoder, levels, made, transform=transform)
    return Recipe(model, ELBO(beta=Linear(0.1, 1.0, steps=0.2) if beta is None else beta), defaults={"lr": 1e-3})
