r"""The maximum mean discrepancy between the aggregate posterior and the prior.

.. math:: E k(z, z') + E k(p, p') - 2 E k(z, p)
"""

from __future__ import annotations

__all__ = ["MMD", "RBF", "InverseMultiquadric", "SlicedWasserstein"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit.messages import require_count
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


def prior_draws(trace: Trace) -> Tensor:
    """As many draws of the prior as the batch has items, (B, D)."""
    p = trace.p
    drawn: Tensor = p.sample() if p.batch_shape else p.sample(torch.Size((len(trace.x),)))
    return drawn.to(trace.z.dtype)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances, (A, B); by differences: a product of rows would cancel digits of near pairs."""
    return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2)
