r"""A posterior that begins at an encoder's and climbs its own item's ELBO for some steps.

.. math:: \lambda_0 = f(x), \quad \lambda_{s+1} = \lambda_s + \rho\, F^{-1} \nabla_\lambda \mathrm{ELBO}(x; \lambda_s)
"""

from __future__ import annotations

__all__ = ["Refined"]

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from vaekit import distributions
from vaekit.conditional import pick
from vaekit.messages import Mistake, require_count
from vaekit.part import Part
from vaekit.posteriors.base import Around
from vaekit.posteriors.gaussian import LOG_SCALE, Gaussian

FARTHEST = 3.0  # standard deviations that a mean moves in one step


class Refined(Around):
    """A Gaussian posterior with steps of stochastic variational inference (Kim et al. 2018, arXiv:1802.02550).

    The steps follow the natural gradient, whose size needs no tuning: for a Gaussian with a diagonal covariance it is
    the gradient times the variance for a mean, and half the gradient for a log-scale. The ELBO is taken at points a
    standard deviation from the mean, in pairs on either side, with far less noise than draws. In training one random
    pair is taken, and the encoder learns through the steps; in evaluation as many fixed ones as give a Gaussian's first
    two moments, the columns of a Hadamard matrix, so that an item's posterior is always the same.

    Args:
        posterior: where they begin.
        prior: the model's own.
        likelihood: the model's own.
        steps: how many.
        rate: of each, 1 at most.
    """

    cites: ClassVar[tuple[str, ...]] = ("kim2018sa",)
    compiles: ClassVar[bool] = False

    def __init__(
        self, posterior: Gaussian, prior: Part, likelihood: Part, *, steps: int = 5, rate: float = 0.5
    ) -> None:
        super().__init__()
        if not 0 < rate <= 1:
            raise Mistake(f"got rate={rate!r} and wanted a number above 0 and at most 1.")
        self.posterior: Any = posterior
        self.prior: Any = prior
        self.likelihood: Any = likelihood
        self.steps, self.rate = require_count("steps", steps), float(rate)
        self.latent_shape = posterior.latent_shape
        parts: tuple[Any, ...] = (self.posterior, self.prior, self.likelihood)
        self.reads = tuple(dict.fromkeys(name for part in parts for name in part.reads))
        half = torch.ones(1, 1)
        while len(half) < self.latent_shape[0]:
            half = torch.cat([torch.cat([half, half], 1), torch.cat([half, -half], 1)])
        half = half[:, : self.latent_shape[0]]
        self.register_buffer("points", torch.cat([half, -half]))  # (M, D), orthogonal columns
        self.points: Tensor

    @property
    def inner(self) -> Any:
        return self.posterior

    def forward(self, *given: Tensor | None) -> distributions.DiagonalGaussian:
        x, fields = given[0], {name: t for name, t in zip(self.reads, given[1:], strict=True) if t is not None}
        start: distributions.DiagonalGaussian = self.posterior(x, *pick(self.posterior, fields))
        learning = torch.is_grad_enabled() and start.loc.requires_grad
        with torch.enable_grad():
            loc, log_scale = start.loc, start.log_scale
            if not learning:
                loc, log_scale = loc.detach().requires_grad_(), log_scale.detach().requires_grad_()
            for _ in range(self.steps):
                q = distributions.DiagonalGaussian(loc, log_scale)
                signs = q.noise((1,)).sign() if self.training else self.points.unsqueeze(1)
                noise = torch.cat([signs, -signs]) if self.training else signs
                px = self.likelihood(q.from_noise(noise), *pick(self.likelihood, fields))  # (M, B, *X)
                rate = kl_divergence(q, self.prior(*pick(self.prior, fields)))
                bound = (px.log_prob_observed(x).mean(0) - rate).sum()
                by_loc, by_scale = torch.autograd.grad(bound, [loc, log_scale], create_graph=learning)
                move = (self.rate * q.scale * by_loc).clamp(-FARTHEST, FARTHEST)
                loc = loc + q.scale * move
                log_scale = (log_scale + (0.5 * self.rate * by_scale).clamp(-1, 1)).clamp(-LOG_SCALE, LOG_SCALE)
                if not learning:
                    loc, log_scale = loc.detach().requires_grad_(), log_scale.detach().requires_grad_()
        if not learning:
            loc, log_scale = loc.detach(), log_scale.detach()
        return distributions.DiagonalGaussian(loc, log_scale)
