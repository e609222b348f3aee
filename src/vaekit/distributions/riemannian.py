r"""A distribution led towards a density by Hamiltonian steps in a metric that differs from place to place.

.. math:: \log \tilde q = \log q_0(z_0) + \log N(\gamma; 0, G(z_0)) - \log N(v_K; 0, G(z_K)), \qquad
          v_0 = \gamma / \sqrt{\beta_0}, \quad \gamma \sim N(0, G(z_0))

Geometry-Aware Hamiltonian Variational Auto-Encoder: Chadebec, Mantoux and Allassonniere 2020, arXiv:2010.11518.
"""

from __future__ import annotations

__all__ = ["RiemannianHamiltonian"]

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vaekit.distributions.hamiltonian import Hamiltonian
from vaekit.maths import CentredMetric, riemannian_leapfrog


class RiemannianHamiltonian(Hamiltonian):
    """Draws of a Gaussian, led on by generalised leapfrog steps whose momentum is cooled.

    Args:
        base, log_joint, step, cooling, steps: as for Hamiltonian.
        metric: G.
        iterations: of each step's equations.

    Attributes:
        taken: of the last draws, the share of their steps whose equations were solved, (K, B); others are left out.

    Example:
        >>> import torch
        >>> from vaekit.distributions import DiagonalGaussian
        >>> base = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> metric = CentredMetric(torch.zeros(1, 2), torch.eye(2)[None], reach=1.0, floor=0.5)
        >>> half = torch.tensor(0.5)
        >>> q = RiemannianHamiltonian(base, lambda z: -0.5 * z.square().sum(-1), 0.1 * half, half, 3, metric)
        >>> q.log_prob(q.rsample((4,))).shape, q.taken.min()
        (torch.Size([4, 5]), tensor(1.))
    """

    called = "a Riemannian Hamiltonian"
    taken: Tensor

    def __init__(
        self,
        base: Any,
        log_joint: Callable[[Tensor], Tensor],
        step: Tensor,
        cooling: Tensor,
        steps: int,
        metric: CentredMetric,
        iterations: int = 8,
    ) -> None:
        super().__init__(base, log_joint, step, cooling, steps)
        self.metric, self.iterations = metric, iterations

    def momentum(self, z: Tensor, noise: Tensor) -> Tensor:
        return self.metric.momentum(z, noise)

    def log_momentum(self, z: Tensor, v: Tensor) -> Tensor:
        return self.metric.log_momentum(z, v)

    def _led(self, start: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
        v = gamma * self.cooling.rsqrt()
        z, v, self.taken = riemannian_leapfrog(
            self.log_joint, self.metric, start, v, self.step, self.scales(), iterations=self.iterations
        )
        return z, v
