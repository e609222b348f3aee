"""The posterior of a series whose precision is banded in time (Fortuin et al. 2020, arXiv:1907.04380)."""

from __future__ import annotations

__all__ = ["Banded"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.posteriors.base import Posterior
from vaekit.posteriors.gaussian import LOG_SCALE


class Banded(Posterior):
    """q(z|x) = a Gaussian over T steps, each given the one after it: correlated in time, at the cost of 3 numbers each.

    Args:
        net, latent_dim, features, reads: as for every posterior; latents are the channels of the steps, one step after
            the other.
        steps: T, which divides latent_dim.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = Banded(MLP(6, [8]), 6, steps=3)(torch.zeros(5, 6))
        >>> q.batch_shape, q.event_shape
        (torch.Size([5]), torch.Size([6]))
    """

    parameters_each = 3
    cites: ClassVar[tuple[str, ...]] = ("fortuin2020",)

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        steps: int,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        if latent_dim % require_count("steps", steps):
            raise Mistake(f"got {latent_dim} latents and {steps} steps: give as many latents to each step.")
        self.steps = steps  # asked for by the base, which makes the head
        super().__init__(net, latent_dim, features=features, reads=reads)

    def event(self, latent_dim: int, features: tuple[int, ...]) -> tuple[int, ...]:
        return (self.steps, latent_dim // self.steps)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with codes as spread as N(0, 1), and with independent steps."""
        self.head.whiten(0, self.first_features(x, y))
        self.head.silence(1)
        self.head.silence(2)

    def forward(self, *given: Tensor | None) -> distributions.BandedGaussian:
        return self.from_features(self.net(*given))

    def from_features(self, features: Tensor) -> distributions.BandedGaussian:
        loc, log_scale, ratio = self.head(features)  # each (B, T, C)
        return distributions.BandedGaussian(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE), torch.tanh(ratio))
