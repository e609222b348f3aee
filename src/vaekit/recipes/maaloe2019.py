"""BIVA: A Very Deep Hierarchy of Latent Variables for Generative Modeling: Maaløe et al. 2019,
https://arxiv.org/abs/1902.02102.
"""

from __future__ import annotations

__all__ = ["biva"]

from collections.abc import Sequence
from typing import Any

from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.messages import Mistake, require_counts
from vaekit.models import BidirectionalVAE, Downward, JoinedBlock, Level, Upward
from vaekit.networks import MLP
from vaekit.objectives import ELBO, Recipe, Schedule
from vaekit.objectives.schedules import Linear
from vaekit.recipes.compose import default_likelihood
from vaekit.recipes.declare import declare


@declare
def biva(
    *,
    shape: Sequence[int],
    latent_dims: Sequence[int] = (8, 16, 32),
    hidden: Sequence[int] = (128, 256, 512),
    likelihood: Likelihood | None = None,
    beta: float | Schedule | None = None,
    transform: Transform | None = None,
) -> Recipe:
    """Levels of latents in two halves below the top: one inferred on the way up, one on the way down.

    Networks are fully connected, where the paper's are convolutional, and one deterministic path up serves both halves.

    Args:
        shape: of one item.
        latent_dims: latents of each level from the top down; below the top as many in each half.
        hidden: widths of the deterministic states, from the top down.
        likelihood: a part of vk.likelihoods without its network.
        beta: the weight of the rate; where nothing is given it rises from 0.01 to 1 over the first half of the run.
        transform: as for vk.VAE.

    Example:
        >>> import torch
        >>> model, objective = biva(shape=(8, 8), latent_dims=[2, 4], hidden=[16, 32])
        >>> [tuple(z.shape) for z in model.trace(torch.zeros(5, 8, 8)).z]  # the top, and both halves of the other
        [(1, 5, 2), (1, 5, 4), (1, 5, 4)]
    """
    latents, widths = require_counts("latent_dims", latent_dims), require_counts("hidden", hidden)
    if len(latents) != len(widths):
        raise Mistake(f"got {len(latents)} levels of latents and {len(widths)} hidden widths and wanted as many.")
    up: list[Any] = [
        tuple(shape),
        *(width + latent for width, latent in zip(widths[:0:-1], latents[:0:-1], strict=True)),
    ]
    encoder = [MLP(below, [own, own], layer_norm=True) for below, own in zip(up, widths[::-1], strict=True)]
    levels: list[Level] = [JoinedBlock(latents[0], above=0, seen=widths[0], hidden=widths[0])]
    for above, latent, width in zip(widths, latents[1:], widths[1:], strict=False):
        levels.append(Downward(latent, above=above, seen=width))
        levels.append(Upward(latent, above=above, seen=width, beside=latent, hidden=width))
    template = likelihood if likelihood is not None else default_likelihood(shape)
    made = template.with_net(MLP(widths[-1], [widths[-1]]), shape)
    rate = Linear(0.01, 1.0, steps=0.5) if beta is None else beta
    return Recipe(BidirectionalVAE(encoder, levels, made, transform=transform), ELBO(beta=rate), defaults={"lr": 1e-3})
