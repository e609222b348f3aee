"""Implicit: a posterior that is a network of the item and of noise, of any form and without a density."""

from __future__ import annotations

__all__ = ["Implicit"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.networks import MLP, Head
from vaekit.posteriors.base import Posterior

WIDTH = 128  # of what the network says of an item, before noise is mixed in
DRAWS = 64  # that the moments are taken over


class Implicit(Posterior):
    """z = g(f(x), noise) with standard normal noise (Mescheder, Nowozin and Geiger 2017, arXiv:1701.04722).

    It can have several modes and any dependence between latents. Its density is not known: its rate comes from a
    discriminator, and log p(x) cannot be estimated by importance sampling.

    Args:
        net, latent_dim, features, reads: as for every posterior; f is net and a linear layer.
        noise: how many numbers of noise; as many as latents where nothing is given.

    Example:
        >>> q = Implicit(MLP(784, [64]), 8)(torch.zeros(5, 784))
        >>> q.rsample((3,)).shape
        torch.Size([3, 5, 8])
    """

    cites: ClassVar[tuple[str, ...]] = ("mescheder2017",)
    has_density = False

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
        noise: int | None = None,
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads)
        width = latent_dim if noise is None else noise
        self.mix = MLP(WIDTH, [WIDTH], context=width)
        self.last = Head((WIDTH,), (latent_dim,))
        fixed = torch.randn(DRAWS, width, generator=torch.Generator().manual_seed(0))
        self.register_buffer("fixed", fixed)
        self.fixed: Tensor

    @staticmethod
    def head_width(latent_dim: int) -> int:
        return WIDTH

    def forward(self, *given: Tensor | None) -> distributions.Implicit:
        seen = self.parameters_of(*given)[0]  # (B, WIDTH)

        def make(noise: Tensor) -> Tensor:
            z: Tensor = self.last(self.mix(seen.expand(*noise.shape[:-1], -1), noise))[0]
            return z

        return distributions.Implicit(make, self.fixed, (len(seen), *self.latent_shape))
