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
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.zeros: Tensor
        self._known: tuple[list[Any], Tensor] | None = None  # the weights with their versions, and log Z of them

    def log_accept(self, z: Tensor) -> Tensor:
        """log a(z), (*leading, D) -> (*leading)."""
        return logsigmoid(self.out(self.net(z)).squeeze(-1))

    def log_rate(self) -> Tensor:
        """log Z: of fresh draws while training, else of many that are always the same."""
        if self.training:
            z = torch.randn(self.draws, len(self.zeros), dtype=self.zeros.dtype, device=self.zeros.device)
            return torch.logsumexp(self.log_accept(z), 0) - math.log(self.draws)
        state = [(p, p._version, p.dtype, p.device) for p in self.parameters()]
        if self._known is None or not all(
            a is b and x == y for (a, *x), (b, *y) in zip(self._known[0], state, strict=True)
        ):
            with torch.no_grad():
                parts = [self.log_accept(z) for z in _normal_sequence(self.zeros).split(FINAL // 8)]
                self._known = (state, torch.logsumexp(torch.cat(parts), 0) - math.log(FINAL))
        return self._known[1]

    def forward(self, *given: Tensor | None) -> distributions.Resampled:
        base = distributions.StandardGaussian(self.zeros)
        return distributions.Resampled(base, self.log_accept, self.log_rate(), self.tries)


def _normal_sequence(like: Tensor) -> Tensor:
    """FINAL points of a Sobol sequence as N(0, I) in the dimensions of a vector."""
    sobol = torch.quasirandom.SobolEngine(len(like), scramble=True, seed=0)
    u = sobol.draw(FINAL, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    return torch.special.ndtri(u).to(like)
