"""The prior of learned acceptance, LARS (Bauer and Mnih 2019, arXiv:1810.11428)."""

from __future__ import annotations

__all__ = ["Resampled"]

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from vaekit import distributions
from vaekit.messages import require_count
from vaekit.networks import MLP
from vaekit.priors.base import Prior

FINAL = 2**16  # low-discrepancy draws that the rate of acceptance is taken from where nothing is trained


class Resampled(Prior):
    """Draws of N(0, I) that are kept with the probability a(z) of a network, after at most T tries.

    Fitted to latents by `vk.fit_prior` it draws from the Gaussian of their means and variances in place of N(0, I).

    The rate of acceptance Z = E[a(z)] is a mean over fresh draws while training, and over 65,536 fixed ones of a Sobol
    sequence in evaluation, so that the density is a function of z alone.

    Args:
        latent_dim: the number of latents.
        hidden: widths of the network's layers, with tanh as in the paper.
        tries: T.
        draws: of the rate of acceptance, at each step.

    Example:
        >>> prior = Resampled(2).eval()
        >>> prior().sample((3,)).shape, prior().log_prob(torch.zeros(2)).shape
        (torch.Size([3, 2]), torch.Size([]))
    """

    cites: ClassVar[tuple[str, ...]] = ("bauer2019",)

    def __init__(
        self, latent_dim: int, *, hidden: Sequence[int] = (100, 100), tries: int = 100, draws: int = 1024
    ) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.tries, self.draws = require_count("tries", tries), require_count("draws", draws)
        self.net = MLP(latent_dim, hidden, activation=nn.Tanh)
        self.out = nn.Linear(self.net.features[0], 1)
        self.register_buffer("loc", torch.zeros(latent_dim))
        self.register_buffer("log_scale", torch.zeros(latent_dim))
        self.loc: Tensor
        self.log_scale: Tensor
        self._known: tuple[list[Any], Tensor] | None = None  # the weights with their versions, and log Z of them

    def train(self, mode: bool = True) -> Resampled:
        """Weights move between evaluations, and not all ways of moving them leave a mark on them."""
        self._known = None
        super().train(mode)
        return self

    def log_accept(self, z: Tensor) -> Tensor:
        """log a(z), (*leading, D) -> (*leading)."""
        return self._log_accept((z - self.loc) * (-self.log_scale).exp())

    def _log_accept(self, noise: Tensor) -> Tensor:
        """The same of values in the base's own units."""
        return logsigmoid(self.out(self.net(noise)).squeeze(-1))

    def log_rate(self) -> Tensor:
        """log Z: of fresh draws while training, else of many that are always the same."""
        if self.training:
            noise = torch.randn(self.draws, len(self.loc), dtype=self.loc.dtype, device=self.loc.device)
            return torch.logsumexp(self._log_accept(noise), 0) - math.log(self.draws)
        state = [(p, p._version, p.dtype, p.device) for p in self.parameters()]
        if self._known is None or not all(
            a is b and x == y for (a, *x), (b, *y) in zip(self._known[0], state, strict=True)
        ):
            with torch.no_grad():
                parts = [self._log_accept(noise) for noise in _normal_sequence(self.loc).split(FINAL // 8)]
                self._known = (state, torch.logsumexp(torch.cat(parts), 0) - math.log(FINAL))
        return self._known[1]

    def forward(self, *given: Tensor | None) -> distributions.Resampled:
        base = distributions.DiagonalGaussian(self.loc, self.log_scale)
        return distributions.Resampled(base, self.log_accept, self.log_rate(), self.tries)

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
