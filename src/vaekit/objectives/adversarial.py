r"""Discriminators between two views of a trace, or between items and what is made, and what they teach the model.

.. math:: \log \frac{a(v)}{b(v)} \approx D_a(v) - D_b(v), \qquad
          \min_D \tfrac12 E_a \log(1 + e^{-D}) + \tfrac12 E_b \log(1 + e^{D}) = \log 2 - \mathrm{JS}(a, b)
"""

from __future__ import annotations

__all__ = [
    "DensityRatio", "Discriminate", "DiscriminateItems", "Fool", "FoolItems", "posterior_sample", "prior_sample",
    "shuffled", "with_posterior", "with_prior",
]  # fmt: skip

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vaekit.models import Model, Trace
from vaekit.objectives.matching import prior_draws
from vaekit.objectives.term import Term

View = Callable[[Trace], Tensor]


def posterior_sample(trace: Trace) -> Tensor:
    """The first draw of z from each item's posterior, (B, D): a sample of the aggregate posterior q(z)."""
    z: Tensor = trace.z[0]
    return z


def shuffled(trace: Trace) -> Tensor:
    """The same with each latent permuted over the batch, (B, D): a sample of the product of the marginals."""
    z = posterior_sample(trace)
    order = torch.rand(z.shape, device=z.device).argsort(0)  # a permutation a column
    return z.gather(0, order)


def prior_sample(trace: Trace) -> Tensor:
    """A draw of the prior for each item, (B, D)."""
    return prior_draws(trace)


def with_posterior(trace: Trace) -> Tensor:
    """Each item beside a draw of its posterior, (B, X + D)."""
    return torch.cat([trace.x.flatten(1), posterior_sample(trace)], 1)


def with_prior(trace: Trace) -> Tensor:
    """Each item beside a draw of the prior, (B, X + D)."""
    return torch.cat([trace.x.flatten(1), prior_sample(trace)], 1)


class DensityRatio(Term):
    """E over the view of log a(v) - log b(v), the logit of a discriminator that tells a from b.

    Args:
        discriminator: (B, D) -> (B, 1), the logit of "from a".
        view: a named function of the trace, a.

    Kim and Mnih 2018, arXiv:1802.05983: with a = `posterior_sample` and b = `shuffled`, the total correlation.
    """

    cites: ClassVar[tuple[str, ...]] = ("kim2018",)
    company = 2

    def __init__(self, discriminator: nn.Module, view: View) -> None:
        super().__init__()
        self.discriminator, self.view = discriminator, view

    def forward(self, model: Model, trace: Trace) -> Tensor:
        logit: Tensor = self.discriminator(self.view(trace)).squeeze(-1)  # (B,)
        return logit


class Discriminate(Term):
    """The cross-entropy of a discriminator between two views, halved so that chance is log 2.

    Args:
        discriminator: (B, D) -> (B, 1), the logit of "from a".
        a: a named function of the trace.
        b: another.
    """

    cites: ClassVar[tuple[str, ...]] = ("goodfellow2014",)
    company = 2

    def __init__(self, discriminator: nn.Module, a: View, b: View) -> None:
        super().__init__()
        self.discriminator, self.a, self.b = discriminator, a, b

    def forward(self, model: Model, trace: Trace) -> Tensor:
        a, b = self.a(trace).detach(), self.b(trace).detach()
        logits = self.discriminator(torch.cat([a, b])).squeeze(-1).chunk(2)  # (B,) each
        return 0.5 * (softplus(-logits[0]) + softplus(logits[1]))


class Fool(Term):
    """The cross-entropy of a discriminator that is to take view a for the other one, (B,).

    It has the fixed point of the minimax game and a gradient where the discriminator is sure (Goodfellow et al. 2014,
    arXiv:1406.2661). Of an optimal discriminator it is E_a log(1 + a / b), log 2 at the least, where a is b. What it is
    added to is no bound.

    Args:
        discriminator: (B, D) -> (B, 1), the logit of "from a".
        view: a named function of the trace, a.
    """

    cites: ClassVar[tuple[str, ...]] = ("goodfellow2014",)
    company = 2

    def __init__(self, discriminator: nn.Module, view: View) -> None:
        super().__init__()
        self.discriminator, self.view = discriminator, view

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return softplus(self.discriminator(self.view(trace))).squeeze(-1)


class DiscriminateItems(Term):
    """The cross-entropy of a discriminator between items and what the model makes, chance being log 2, (B,).

    What is made is half reconstructions and half samples, the likelihood's means of both (Larsen et al. 2016,
    arXiv:1512.09300).

    Args:
        discriminator: (B, *X) in the model's units -> (B, 1), the logit of "real".
    """

    cites: ClassVar[tuple[str, ...]] = ("larsen2016", "goodfellow2014")

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, model: Model, trace: Trace) -> Tensor:
        logits = self.discriminator(torch.cat([trace.x, *(made.detach() for made in _made(model, trace))]))
        real, again, drawn = logits.squeeze(-1).chunk(3)  # (B,) each
        return 0.5 * softplus(-real) + 0.25 * (softplus(again) + softplus(drawn))


class FoolItems(Term):
    """The cross-entropy of a discriminator that is to take reconstructions and samples for real, (B,); no bound.

    Args:
        discriminator: (B, *X) in the model's units -> (B, 1), the logit of "real".
    """

    cites: ClassVar[tuple[str, ...]] = ("larsen2016", "goodfellow2014")

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, model: Model, trace: Trace) -> Tensor:
        again, drawn = self.discriminator(torch.cat(_made(model, trace))).squeeze(-1).chunk(2)
        return 0.5 * (softplus(-again) + softplus(-drawn))


def _made(model: Model, trace: Trace) -> list[Tensor]:
    """Reconstructions and samples, the likelihood's means, (B, *X) each."""
    return [trace.px.mean[0], model._likelihood(prior_draws(trace), trace.y).mean]
