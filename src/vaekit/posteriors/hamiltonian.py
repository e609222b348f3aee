"""The posterior of a Gaussian led on by the model's own gradients (Caterini et al. 2018, arXiv:1805.11328)."""

from __future__ import annotations

__all__ = ["Hamiltonian"]

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.conditional import Conditional, pick
from vaekit.messages import Mistake, require_count, require_positive
from vaekit.networks import ZeroFill
from vaekit.posteriors.base import AnyPosterior, Around


class Hamiltonian(Around):
    """q(z|x,y) = draws of a Gaussian after some leapfrog steps uphill in log p(x, z|y), with momenta that are cooled.

    The steps' lengths, one a latent, and the first temperature are learned with the rest.

    Args:
        base: a Gaussian posterior.
        prior, likelihood: the model's own, which the base is led by.
        leapfrog: steps, a gradient of the likelihood each.
        step: their first length in standard deviations of the base, between 0 and 1.
        cooling: beta_0, the inverse temperature that momenta begin at, between 0 and 1.
    """

    cites: ClassVar[tuple[str, ...]] = ("caterini2018",)
    compiles: ClassVar[bool] = False

    def __init__(
        self,
        base: AnyPosterior,
        prior: Conditional,
        likelihood: Conditional,
        *,
        leapfrog: int = 3,
        step: float = 0.2,
        cooling: float = 0.8,
    ) -> None:
        super().__init__()
        self.base: Any = base
        self.prior, self.likelihood = prior, likelihood
        self.latent_shape = base.latent_shape
        self.reads = tuple(dict.fromkeys([*base.reads, *prior.reads, *likelihood.reads]))
        self.leapfrog = require_count("leapfrog", leapfrog)
        self.step_logit = nn.Parameter(torch.full(base.latent_shape, _logit("step", step)))
        self.cooling_logit = nn.Parameter(torch.tensor(_logit("cooling", cooling)))
        self.gaps = any(isinstance(m, ZeroFill) for m in base.modules())

    @property
    def inner(self) -> Any:
        return self.base

    def forward(self, *given: Tensor | None) -> distributions.Hamiltonian:
        return distributions.Hamiltonian(*self.paths(*given))

    def paths(self, *given: Tensor | None) -> tuple[Any, Callable[[Tensor], Tensor], Tensor, Tensor, int]:
        """Where draws begin, log p(x, z), the step, the first temperature and how many steps there are."""
        x, *fields = given
        assert x is not None
        y = {name: value for name, value in zip(self.reads, fields, strict=True) if value is not None}
        q, p, seen = self.base(x, *pick(self.base, y)), self.prior(*pick(self.prior, y)), pick(self.likelihood, y)

        def log_joint(z: Tensor) -> Tensor:
            px = self.likelihood(z, *seen)
            score: Tensor = (px.log_prob_observed if self.gaps else px.log_prob)(x) + p.log_prob(z)
            return score

        step = self.step_logit.sigmoid() * q.variance.sqrt()  # below half of where steps in a Gaussian fly apart
        return q, log_joint, step, self.cooling_logit.sigmoid(), self.leapfrog


def _logit(name: str, share: float) -> float:
    if not require_positive(name, share) < 1:
        raise Mistake(f"got {name}={share!r} and wanted a number between 0 and 1.")
    return math.log(share / (1 - share))
