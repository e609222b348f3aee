"""Bernoulli posteriors, for binary latents.

In training the samples of two of them carry a gradient (relaxed, or straight through, biased both); in evaluation all
are 0/1, so that every number that is reported is one of the discrete model.
"""

from __future__ import annotations

__all__ = ["Bernoulli", "RelaxedBernoulli", "StraightThroughBernoulli"]

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.posteriors.base import Posterior


class Bernoulli(Posterior):
    """0/1 samples without a gradient, for objectives that score them, such as REINFORCE, DisARM and VIMCO."""

    def forward(self, *given: Tensor | None) -> distributions.Bernoulli:
        return distributions.Bernoulli(self.parameters_of(*given)[0])


class StraightThroughBernoulli(Posterior):
    """0/1 samples that pass the gradient of their mean (Bengio, Léonard and Courville 2013, arXiv:1308.3432)."""

    cites: ClassVar[tuple[str, ...]] = ("bengio2013",)

    def forward(self, *given: Tensor | None) -> distributions.StraightThroughBernoulli:
        return distributions.StraightThroughBernoulli(self.parameters_of(*given)[0])


class RelaxedBernoulli(Posterior):
    """Samples in (0, 1) while training (Maddison, Mnih and Teh 2017, arXiv:1611.00712), 0/1 in evaluation.

    Args:
        net, latent_dim, features, reads: as for every posterior.
        temperature: of the relaxation; below 1 keeps the samples near 0 and 1.
    """

    cites: ClassVar[tuple[str, ...]] = ("maddison2017",)

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        temperature: float = 0.5,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads)
        self.temperature = temperature

    def forward(self, *given: Tensor | None) -> distributions.Bernoulli:
        logits = self.parameters_of(*given)[0]
        if self.training:
            return distributions.BinaryConcrete(logits, self.temperature)
        return distributions.StraightThroughBernoulli(logits)
