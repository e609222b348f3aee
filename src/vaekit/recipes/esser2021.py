r"""Taming Transformers for High-Resolution Image Synthesis: Esser, Rombach and Ommer 2021,
https://arxiv.org/abs/2012.09841.

.. math:: \min -\log p(x|e) + \|e - \mathrm{sg}(f(x))\|^2 + \beta \|f(x) - \mathrm{sg}(e)\|^2 + w \lambda L_{GAN}
"""

from __future__ import annotations

__all__ = ["vqgan"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import nn

from vaekit.likelihoods import Laplace
from vaekit.networks import Mapped
from vaekit.objectives import BesideErrors, Commitment, Recipe, Reconstruction
from vaekit.recipes.declare import extends
from vaekit.recipes.judged import against_patches, seen_by
from vaekit.recipes.oord2017 import vq_vae


@extends(vq_vae, without=("places", "hidden", "networks", "posterior", "likelihood"))
def vqgan(
    *,
    channels: Sequence[int] = (32, 64),
    blocks: int = 1,
    commitment: float = 0.25,
    features: nn.Module | None = None,
    perceptual: float = 1.0,
    weight: float = 0.8,
    start: float = 0.3,
    judge_width: int = 64,
    **vq_vae_arguments: Any,
) -> Recipe:
    """A VQ-VAE with attention whose pictures a judge of patches is to take for real.

    No bound on log p(x). Codes are learned afterwards, by `vk.fit_prior` with `vk.priors.AutoregressiveCodes`, where
    the paper trains a Transformer.

    Args:
        channels: after each halving of a picture; what is left of it is the map of places.
        blocks: residual cells at each size.
        commitment: how strongly the encoder is drawn to its codes.
        features, perceptual, weight, start, judge_width: as for `kl_autoencoder`.
        vq_vae_arguments: as for `vq_vae`.

    Example:
        >>> model, objective = vqgan(shape=(3, 16, 12), codes=64, channels=[8, 16], judge_width=8)
        >>> import torch
        >>> model.encode_indices(torch.zeros(2, 3, 16, 12)).shape
        torch.Size([2, 4, 3])
    """
    recipe = vq_vae(networks=Mapped(channels, blocks), likelihood=Laplace(), **vq_vae_arguments)
    term = seen_by(features, Reconstruction() + BesideErrors(Commitment(commitment)), recipe.model.shape, perceptual)
    game = against_patches(recipe.model, term, weight=weight, start=start, width=judge_width)
    return dataclasses.replace(recipe, objective=game, defaults={"lr": 5e-4, "keep": "last"})
