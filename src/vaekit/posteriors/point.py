"""Point: the posterior of a plain autoencoder, one value and no density."""

from __future__ import annotations

__all__ = ["Point"]

from typing import ClassVar

from torch import Tensor

from vaekit.distributions import PointMass
from vaekit.posteriors.base import Posterior


class Point(Posterior):
    """z = f(x): no rate, no ELBO and no likelihood (Hinton and Salakhutdinov 2006)."""

    cites: ClassVar[tuple[str, ...]] = ("hinton2006",)
    has_density = False

    def forward(self, *given: Tensor | None) -> PointMass:
        return PointMass(self.parameters_of(*given)[0])
