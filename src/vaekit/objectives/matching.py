r"""Distances between the aggregate posterior and the prior, from draws of both.

.. math:: E k(z, z') + E k(p, p') - 2 E k(z, p), \qquad
          S_\epsilon(q, p) = W_\epsilon(q, p) - \tfrac12 W_\epsilon(q, q) - \tfrac12 W_\epsilon(p, p)
"""

from __future__ import annotations

__all__ = ["MMD", "RBF", "InverseMultiquadric", "Sinkhorn", "SlicedWasserstein"]

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term
from vaekit.part import Part


class RBF(Part):
    """exp(-d^2 / (2 s^2)) with s^2 = width times the number of latents."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.width = float(width)

    def forward(self, squares: Tensor, latents: int) -> Tensor:
        return (squares / (-2 * self.width * latents)).exp()


class InverseMultiquadric(Part):
    """The sum over scales s of c / (c + d^2), c = 2 s times the number of latents (Tolstikhin et al. 2018)."""

    cites: ClassVar[tuple[str, ...]] = ("tolstikhin2018",)

    def __init__(self, scales: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)) -> None:
        super().__init__()
        self.scales = tuple(map(float, scales))

    def forward(self, squares: Tensor, latents: int) -> Tensor:
        found = [2 * s * latents / (2 * s * latents + squares) for s in self.scales]
        return torch.stack(found).sum(0)


class MMD(Term):
    """The squared discrepancy of a batch's latents from as many draws of the prior (Gretton et al. 2012).

    All pairs count, an item with itself too, so that it is never negative and a batch of one has a value.

    Args:
        kernel: RBF() where nothing is given.
    """

    cites: ClassVar[tuple[str, ...]] = ("gretton2012",)

    def __init__(self, kernel: Part | None = None) -> None:
        super().__init__()
        self.kernel = kernel if kernel is not None else RBF()

    def forward(self, model: Model, trace: Trace) -> Tensor:
        z, p = trace.z[0], prior_draws(trace)
        k = [self.kernel(_squares(a, b), z.shape[1]).mean() for a, b in ((z, z), (p, p), (z, p))]
        return k[0] + k[1] - 2 * k[2]


class SlicedWasserstein(Term):
    """The mean squared 2-Wasserstein distance of one-dimensional projections (Kolouri et al. 2019, arXiv:1804.01947).

    Args:
        projections: random directions.
    """

    cites: ClassVar[tuple[str, ...]] = ("kolouri2019",)

    def __init__(self, projections: int = 50) -> None:
        super().__init__()
        self.projections = require_count("projections", projections)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        z, p = trace.z[0], prior_draws(trace)
        directions = torch.randn(z.shape[1], self.projections, dtype=z.dtype, device=z.device)
        directions = directions / directions.norm(dim=0)
        gaps = (z @ directions).sort(0).values - (p @ directions).sort(0).values
        return gaps.square().mean()


class Sinkhorn(Term):
    """The Sinkhorn divergence of a batch's latents from as many draws of the prior (Patrini et al. 2020,
    arXiv:1810.01118): entropic optimal transport of the squared distance, without the entropy's own bias.

    It is 0 where both sets are the same. As epsilon falls it goes to the squared 2-Wasserstein distance of the two
    sets, and as it grows to the squared distance of their means.

    Args:
        epsilon: the entropy's weight, for each latent.
        iterations: of the potentials, in the log domain; fewer than they need leave the divergence too small.
    """

    cites: ClassVar[tuple[str, ...]] = ("patrini2020", "feydy2019")

    def __init__(self, epsilon: float = 0.1, iterations: int = 50) -> None:
        super().__init__()
        if not epsilon > 0:
            raise Mistake(f"got epsilon={epsilon!r} and wanted a number above 0.")
        self.epsilon, self.iterations = float(epsilon), require_count("iterations", iterations)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        z, p = trace.z[0], prior_draws(trace)
        epsilon = self.epsilon * z.shape[1]
        w = [transport(_squares(a, b), epsilon, self.iterations) for a, b in ((z, p), (z, z), (p, p))]
        return w[0] - 0.5 * (w[1] + w[2])


def transport(cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    r"""Entropic optimal transport between two sets of equal weights, by Sinkhorn's potentials, ().

    .. math:: \min_P \langle P, C \rangle + \epsilon\, KL(P \| a b^T)

    Its gradient is the plan itself: at the optimum the potentials' own change counts nothing (Feydy et al. 2019,
    arXiv:1810.08278), so that only the last half step is followed back.

    Args:
        cost: (A, B).
        epsilon: above 0.
        iterations: of both potentials, averaged with their last values, which also suits equal sets.

    Example:
        >>> round(float(transport(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1e-3, 100)), 3)
        0.001
    """

    def soft_least(costs: Tensor, potential: Tensor) -> Tensor:
        return -epsilon * (((potential - costs) / epsilon).logsumexp(1) - math.log(costs.shape[1]))

    with torch.no_grad():
        f, g = cost.new_zeros(cost.shape[0]), cost.new_zeros(cost.shape[1])
        for _ in range(iterations):
            f, g = 0.5 * (f + soft_least(cost, g)), 0.5 * (g + soft_least(cost.T, f))
        f = soft_least(cost, g)
        g = soft_least(cost.T, f)
    return soft_least(cost, g).mean() + g.mean()


def prior_draws(trace: Trace) -> Tensor:
    """As many draws of the prior as the batch has items, (B, D)."""
    p = trace.p
    drawn: Tensor = p.sample() if p.batch_shape else p.sample(torch.Size((len(trace.x),)))
    return drawn.to(trace.z.dtype)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances, (A, B); by differences: a product of rows would cancel digits of near pairs."""
    return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2)
