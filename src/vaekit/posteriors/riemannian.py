"""The posterior of a Gaussian led on by the model's own gradients in a learned metric (Chadebec et al. 2020)."""

from __future__ import annotations

__all__ = ["RiemannianHamiltonian"]

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.maths import CentredMetric
from vaekit.messages import require_count, require_positive
from vaekit.posteriors.base import Around
from vaekit.posteriors.hamiltonian import Hamiltonian


class RiemannianHamiltonian(Around):
    """A Hamiltonian posterior whose momenta are N(0, G(z)), with a metric G that is learned.

    G^-1(z) = floor I + sum_i L_i L_i^T exp(-|z - c_i|^2 / D), with D latents (Chadebec, Mantoux and Allassonniere 2020,
    arXiv:2010.11518). Centres c and factors L are learned; they begin where codes lie at first, as draws of N(0, I),
    with G near I among them. The paper's are made of all training items by networks, and in training of the batch,
    where an item's posterior would depend on its companions.

    Args:
        path: the Hamiltonian posterior in a flat metric.
        centres: how many.
        floor: lambda, above 0.
        iterations: of each step's equations. Steps that they do not solve are left out, and the distribution knows how
            many (`taken`).
    """

    cites: ClassVar[tuple[str, ...]] = ("chadebec2020", "caterini2018", "girolami2011")
    compiles: ClassVar[bool] = False

    def __init__(self, path: Hamiltonian, *, centres: int = 10, floor: float = 0.1, iterations: int = 8) -> None:
        super().__init__()
        self.path = path
        self.reads, self.latent_shape = path.reads, path.latent_shape
        d, n = path.latent_shape[0], require_count("centres", centres)
        self.centres = nn.Parameter(torch.randn(n, d))
        self.factors = nn.Parameter((math.e / math.sqrt(n) * torch.eye(d)).repeat(n, 1, 1))  # 2 D is a usual |z - c|^2
        self.floor, self.iterations = require_positive("floor", floor), require_count("iterations", iterations)

    @property
    def inner(self) -> Any:
        return self.path

    @property
    def metric(self) -> CentredMetric:
        """G."""
        reach = math.sqrt(self.latent_shape[0])
        return CentredMetric(self.centres, self.factors.tril(), reach=reach, floor=self.floor)

    def forward(self, *given: Tensor | None) -> distributions.RiemannianHamiltonian:
        return distributions.RiemannianHamiltonian(*self.path.paths(*given), self.metric, self.iterations)
