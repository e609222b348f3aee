"""Ladder Variational Autoencoders: Sønderby et al. 2016, https://arxiv.org/abs/1602.02282."""

from __future__ import annotations

__all__ = ["ladder_vae"]

from collections.abc import Sequence

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.models import HierarchicalVAE, TopDownBlock
from vaekit.networks import MLP
from vaekit.objectives import ELBO, Recipe, Schedule
from vaekit.objectives.schedules import Linear
from vaekit.recipes.compose import default_likelihood, require_levels
from vaekit.recipes.declare import declare


@declare
def ladder_vae(
    *,
    shape: Sequence[int],
    latent_dims: Sequence[int] = (8, 32),
    hidden: Sequence[int] = (256, 512),
    likelihood: Likelihood | None = None,
    beta: float | Schedule | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """Levels of latents; each posterior weighs the prior from above with what the encoder saw, by their precisions.

    Args:
        shape: of one item.
        latent_dims: latents of each level, from the top down.
        hidden: widths of the deterministic states, from the top down.
        likelihood: a part of vk.likelihoods without its network.
        beta: the weight of the rate; where nothing is given it rises from 0.01 to 1 over the first half of the run, the
            paper's warm-up, without which the levels stay empty on larger pictures.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = ladder_vae(shape=(8, 8), latent_dims=[2, 4], hidden=[16, 32])
        >>> import torch
        >>> [tuple(z.shape) for z in model.trace(torch.zeros(5, 8, 8)).z]
        [(1, 5, 2), (1, 5, 4)]
    """
    latent_dims, hidden = require_levels(latent_dims, hidden)
    reads = tuple(context.widths) if context is not None else ()
    width = sum(context.widths.values()) if context is not None else 0
    upward = list(reversed(hidden))
    encoder = [
        MLP(
            tuple(shape) if i == 0 else upward[i - 1],
            [upward[i], upward[i]],
            context=width if i == 0 else 0,
            layer_norm=True,
        )
        for i in range(len(upward))
    ]
    above = [0, *hidden[:-1]]
    levels = [
        TopDownBlock(latent, above=above[i], seen=hidden[i], hidden=hidden[i]) for i, latent in enumerate(latent_dims)
    ]
    template = likelihood if likelihood is not None else default_likelihood(shape)
    made = template.with_net(MLP(hidden[-1], [hidden[-1]], context=width), shape, reads=reads)
    model = HierarchicalVAE(encoder, levels, made, transform=transform, context=context, reads=reads)
    return Recipe(model, ELBO(beta=Linear(0.01, 1.0, steps=0.5) if beta is None else beta), defaults={"lr": 1e-3})
