r"""Unified Brain MR-Ultrasound Synthesis using Multi-Modal Hierarchical Representations: Dorent et al. 2023,
https://arxiv.org/abs/2309.08747.

.. math:: q(z|x_s) = \prod_l p(z_l|z_{<l}) \prod_{m \in s} q_m(z_l|z_{<l}, x_m) / Z_l, \qquad
          \tfrac{1}{|S|} \sum_s E_{q(z|x_s)}[\log p(x, z) - \log q(z|x_s)]
"""

from __future__ import annotations

__all__ = ["mhvae"]

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise

from vaekit.data import Modalities
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Joint, Likelihood
from vaekit.models import EachModality, HierarchicalVAE, ModalBlock
from vaekit.networks import MLP, Dense
from vaekit.objectives import FromSubsets, Recipe, Schedule
from vaekit.recipes.compose import default_likelihood, require_levels
from vaekit.recipes.declare import declare
from vaekit.recipes.multimodal import encoder_of, for_each, rising, weighed


@declare
def mhvae(
    *,
    shape: Sequence[int],
    modalities: Mapping[str, Sequence[int]] | None = None,
    latent_dims: Sequence[int] = (8, 32),
    hidden: Sequence[int] = (128, 256),
    likelihood: Likelihood | Mapping[str, Likelihood] | None = None,
    weights: Mapping[str, float] | None = None,
    beta: float | Schedule | None = None,
    transform: Transform | None = None,
) -> Recipe:
    """Levels of latents of several modalities, any of them missing: at each a product of experts and the prior.

    The networks are fully connected, and each step encodes every subset of the modalities, 2^M - 1 passes; the paper's
    residual convolutions and its discriminator are not here.

    Args:
        shape, modalities, likelihood, weights, beta, transform: as for the recipe 'mvae'.
        latent_dims: latents of each level, from the top down.
        hidden: widths of the deterministic states, from the top down, and of each modality's features.

    Example:
        >>> import torch
        >>> model, objective = mhvae(shape=(8, 8), latent_dims=[2, 4], hidden=[16, 32])  # two halves of a picture
        >>> left = model.likelihood.modalities.only(torch.zeros(5, 8, 8), ["first"])
        >>> [tuple(z.shape) for z in model.trace(left).z], model.reconstruct(left).shape
        ([(1, 5, 2), (1, 5, 4)], torch.Size([5, 8, 8]))
    """
    cut, (latents, widths) = Modalities(shape, modalities), require_levels(latent_dims, hidden)
    given = for_each(cut, "likelihood", likelihood if likelihood is not None else default_likelihood(shape))
    templates = {name: copy.deepcopy(template) for name, template in given.items()}
    sizes, *above = widths[::-1], 0, *widths[:-1]
    pair = Dense((sizes[0], sizes[0]))
    seen = EachModality([encoder_of(pair, piece, templates[name]) for name, piece in cut.shapes.items()], cut)
    higher = [EachModality([MLP(a, [b, b]) for _ in cut.names]) for a, b in pairwise(sizes)]
    levels = [ModalBlock(d, above=a, seen=w, hidden=w) for d, a, w in zip(latents, above, widths, strict=True)]
    parts = {n: templates[n].with_net(MLP(widths[-1], [widths[-1]]), piece) for n, piece in cut.shapes.items()}
    model = HierarchicalVAE([seen, *higher], levels, Joint(parts, cut), transform=transform)
    return Recipe(model, FromSubsets(weighed(rising(beta), weights)))
