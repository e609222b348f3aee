"""Tilted: the base of priors that are a Gaussian weighed by a network, normalised by draws of the Gaussian."""

from __future__ import annotations

__all__ = ["Tilted"]

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import require_count
from vaekit.networks import MLP
from vaekit.priors.base import Prior

FINAL = 2**16  # low-discrepancy draws that the mean weight is taken from where nothing is trained


class Tilted(Prior):
    """A Gaussian, N(0, I) but where it is fitted to latents, and a network that weighs its draws.

    The mean weight is one of fresh draws while training, and of 65,536 fixed ones of a Sobol sequence in evaluation, so
    that the density is a function of z alone.

    Args:
        latent_dim: the number of latents.
        hidden: widths of the network's layers, with tanh, which bounds what its output can be.
        draws: of the mean weight, at each step.
    """

    def __init__(self, latent_dim: int, *, hidden: Sequence[int] = (100, 100), draws: int = 1024) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.draws = require_count("draws", draws)
        self.net = MLP(latent_dim, hidden, activation=nn.Tanh)
        self.out = nn.Linear(self.net.features[0], 1)
        self.register_buffer("loc", torch.zeros(latent_dim))
        self.register_buffer("log_scale", torch.zeros(latent_dim))
        self.loc: Tensor
        self.log_scale: Tensor
        self._known: tuple[list[Any], Tensor, Tensor] | None = (
            None  # the weights with their versions, and what is of them
        )

    def train(self, mode: bool = True) -> Tilted:
        """Weights move between evaluations, and not all ways of moving them leave a mark on them."""
        self._known = None
        super().train(mode)
        return self

    @property
    def base(self) -> distributions.DiagonalGaussian:
        """The Gaussian."""
        return distributions.DiagonalGaussian(self.loc, self.log_scale)

    def log_weight(self, z: Tensor) -> Tensor:
        """The log of the weights of latents, (*leading, D) -> (*leading)."""
        return self.weighed((z - self.loc) * (-self.log_scale).exp())

    def weighed(self, noise: Tensor) -> Tensor:
        """The same of values in the Gaussian's own units."""
        found: Tensor = self.out(self.net(noise)).squeeze(-1)
        return found

    def noise(self) -> Tensor:
        """Fresh draws in the Gaussian's own units, (draws, D)."""
        return torch.randn(self.draws, len(self.loc), dtype=self.loc.dtype, device=self.loc.device)

    def log_mean_weight(self) -> Tensor:
        """The log of the mean weight: of fresh draws while training, else of many that are always the same."""
        if self.training:
            return torch.logsumexp(self.weighed(self.noise()), 0) - math.log(self.draws)
        return self._final()[0]

    def _final(self) -> tuple[Tensor, Tensor]:
        """The log of the mean weight and its standard error, worked out once for the network as it is."""
        state = [(p, p._version, p.dtype, p.device) for p in self.parameters()]
        if self._known is None or not all(
            a is b and x == y for (a, *x), (b, *y) in zip(self._known[0], state, strict=True)
        ):
            with torch.no_grad():
                self._known = (state, *self._worked_out())
        return self._known[1:]

    def _worked_out(self) -> tuple[Tensor, Tensor]:
        """Of the fixed draws, the error that of as many independent ones."""
        weights = torch.cat([self.weighed(noise) for noise in _normal_sequence(self.loc).split(FINAL // 8)])
        spread = (FINAL * weights.double().softmax(0).square().sum() - 1).clamp_min(0)  # relative variance
        return torch.logsumexp(weights, 0) - math.log(FINAL), (spread / FINAL).sqrt()

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """Draw from a Gaussian with the latents' own means and variances."""
        self.loc.copy_(z.mean(0))
        self.log_scale.copy_(z.std(0).clamp_min(1e-6).log())
        return False


def _normal_sequence(like: Tensor) -> Tensor:
    """FINAL points of a Sobol sequence as N(0, I) in the dimensions of a vector."""
    sobol = torch.quasirandom.SobolEngine(len(like), scramble=True, seed=0)
    u = sobol.draw(FINAL, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    return torch.special.ndtri(u).to(like)
