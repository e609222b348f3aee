r"""A distribution led towards a density by Hamiltonian steps from places and momenta drawn together.

.. math:: \log \tilde q = \log q_0(z_0) + \log N(\gamma; 0, I) - \log N(v_K; 0, I), \qquad
          v_0 = \gamma / \sqrt{\beta_0}, \quad \gamma \sim N(0, I)

Steps keep volumes and cooling shrinks them by what beta_0 made momenta too large, so that the weights p(x, z_K) over
this have the mean p(x). Hamiltonian Variational Auto-Encoder: Caterini, Doucet and Sejdinovic 2018, arXiv:1805.11328.
"""

from __future__ import annotations

__all__ = ["Hamiltonian"]

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.own import OwnDraws
from vaekit.maths import tempered_leapfrog
from vaekit.messages import Mistake
from vaekit.noise import forked

PAIRS, SEED = 16, 0  # of opposite noise, that moments are taken from


class Hamiltonian(OwnDraws):
    """Draws of a Gaussian, led on by leapfrog steps whose momentum is cooled.

    It scores its own last draw only (`OwnDraws`). Momenta begin at the inverse temperature `cooling` and are cooled to
    1 by the quadratic schedule of the paper. `mean` and `variance` are those of 32 draws from noise that is always the
    same.

    Args:
        base: q_0 with `noise` and `from_noise`, batch (B,).
        log_joint: log p(x, z) up to a constant, (K, B, D) -> (K, B).
        step: epsilon, broadcastable to (B, D).
        cooling: beta_0, above 0 and at most 1, a scalar.
        steps: K, of the leapfrog.

    Example:
        >>> from vaekit.distributions import DiagonalGaussian
        >>> base = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = Hamiltonian(base, lambda z: -0.5 * (z - 1).square().sum(-1), torch.tensor(0.1), torch.tensor(0.5), 3)
        >>> q.log_prob(q.rsample((4,))).shape
        torch.Size([4, 5])
    """

    called = "a Hamiltonian"
    beside = "momenta that led to them"

    def __init__(
        self, base: Any, log_joint: Callable[[Tensor], Tensor], step: Tensor, cooling: Tensor, steps: int
    ) -> None:
        self.base, self.log_joint, self.step, self.cooling, self.steps = base, log_joint, step, cooling, steps
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def scales(self) -> list[Tensor]:
        """alpha_k = sqrt(beta_{k-1} / beta_k), whose product is sqrt(beta_0)."""
        first = self.cooling.rsqrt()
        roots = [first + (1 - first) * (k / self.steps) ** 2 for k in range(self.steps + 1)]  # 1 / sqrt(beta_k)
        return [after / before for before, after in itertools.pairwise(roots)]

    def momentum(self, z: Tensor, noise: Tensor) -> Tensor:
        """The momentum at z that standard normal noise makes."""
        return noise

    def log_momentum(self, z: Tensor, v: Tensor) -> Tensor:
        """The log-density of momenta at temperature 1, but for its constant, (K, B)."""
        return -0.5 * v.square().sum(-1)

    def _led(self, start: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
        return tempered_leapfrog(self.log_joint, start, gamma * self.cooling.rsqrt(), self.step, self.scales())

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        start = self.base.rsample(tuple(sample_shape))
        gamma = self.momentum(start, torch.randn(start.shape, dtype=start.dtype, device=start.device))
        z, v = self._led(start, gamma)
        gained = self.log_momentum(start, gamma) - self.log_momentum(z, v)
        self._drawn = z, self.base.log_prob(start) + gained
        return z

    def frozen(self) -> Distribution:
        raise Mistake("a Hamiltonian posterior has no score apart from its draws: use ELBO or IWAE.")

    @torch.no_grad()
    def _draws(self) -> Tensor:
        """(32, B, D), the same for every item and every call."""
        like = self.base.mean
        with forked(SEED, like.device):
            noise = torch.randn((2, PAIRS, 1, *self.event_shape), dtype=like.dtype, device=like.device)
        first, second = torch.cat([noise, -noise], 1)
        start = self.base.from_noise(first)
        return self._led(start, self.momentum(start, second.expand(-1, *like.shape)))[0]

    @property
    def mean(self) -> Tensor:
        return self._draws().mean(0)

    @property
    def variance(self) -> Tensor:
        return self._draws().var(0)
