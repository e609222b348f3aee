"""Posteriors that are a network of the item and of noise, of any form: without a density, and mixing Gaussians."""

from __future__ import annotations

__all__ = ["Implicit", "SemiImplicit"]

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.networks import MLP, Head
from vaekit.posteriors.base import Posterior
from vaekit.posteriors.gaussian import LOG_SCALE

WIDTH = 128  # of what the network says of an item, before noise is mixed in
DRAWS = 64  # that the moments are taken over


class Noisy(Posterior):
    """The base of both: the numbers of a latent are a network of what another makes of the item, and of noise."""

    mixed_each: ClassVar[int] = 1  # numbers of a latent

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
        self.last = Head((WIDTH,), (latent_dim,), self.mixed_each)
        fixed = torch.randn(DRAWS, width, generator=torch.Generator().manual_seed(0))
        self.register_buffer("fixed", fixed)
        self.fixed: Tensor

    @staticmethod
    def head_width(latent_dim: int) -> int:
        return WIDTH

    def mixing(self, seen: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """What the first network says, (B, WIDTH) -> the function from noise (..., B, N) to the numbers (..., B, D)."""

        def make(noise: Tensor) -> tuple[Tensor, ...]:
            out: tuple[Tensor, ...] = self.last(self.mix(seen.expand(*noise.shape[:-1], -1), noise))
            return out

        return make


class Implicit(Noisy):
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

    def forward(self, *given: Tensor | None) -> distributions.Implicit:
        seen = self.parameters_of(*given)[0]  # (B, WIDTH)
        make = self.mixing(seen)
        return distributions.Implicit(lambda noise: make(noise)[0], self.fixed, (len(seen), *self.latent_shape))


class SemiImplicit(Noisy):
    """q(z|x) = E over noise e of N(z; mu(f(x), e), sigma(f(x), e)^2) (Yin and Zhou 2018, arXiv:1805.11183).

    It can have several modes and any dependence between latents, and needs no discriminator: a draw is scored under the
    mean of the Gaussian that it came from and of `extra` others, which makes of the ELBO a bound below it that rises
    to it with them, and of importance sampling an estimate that stays unbiased for p(x).

    Args:
        net, latent_dim, features, reads, noise: as for Implicit.
        extra: K, the other Gaussians, 0 or more.

    Example:
        >>> q = SemiImplicit(MLP(784, [64]), 8)(torch.zeros(5, 784))
        >>> q.log_prob(q.rsample((3,))).shape
        torch.Size([3, 5])
    """

    cites: ClassVar[tuple[str, ...]] = ("yin2018",)
    mixed_each = 2

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
        noise: int | None = None,
        extra: int = 10,
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads, noise=noise)
        if isinstance(extra, bool) or not isinstance(extra, int) or extra < 0:
            raise Mistake(f"got extra={extra!r} and wanted a whole number, 0 or more.")
        self.extra = extra

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with means that lie as the standard normal prior does, over items and noise, and as wide as it."""
        seen = self.head(self.first_features(x, y))[0]
        noise = self.fixed[torch.arange(len(seen), device=seen.device) % DRAWS]
        self.last.whiten(0, self.mix(seen, noise))
        self.last.silence(1)

    def forward(self, *given: Tensor | None) -> distributions.SemiImplicit:
        seen = self.parameters_of(*given)[0]  # (B, WIDTH)
        numbers = self.mixing(seen)

        def make(noise: Tensor) -> distributions.DiagonalGaussian:
            loc, log_scale = numbers(noise)
            return distributions.DiagonalGaussian(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE))

        return distributions.SemiImplicit(make, self.fixed, (len(seen), *self.latent_shape), self.extra)
