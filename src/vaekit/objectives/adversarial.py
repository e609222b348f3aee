r"""A discriminator between two views of a trace, and the density ratio that it estimates.

.. math:: \log \frac{a(v)}{b(v)} \approx D_a(v) - D_b(v)
"""

from __future__ import annotations

__all__ = ["DensityRatio", "Discriminate", "posterior_sample", "shuffled"]

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vaekit.models import Model, Trace
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

    cites: ClassVar[tuple[str, ...]] = ("kim2018",)
    company = 2

    def __init__(self, discriminator: nn.Module, a: View, b: View) -> None:
        super().__init__()
        self.discriminator, self.a, self.b = discriminator, a, b

    def forward(self, model: Model, trace: Trace) -> Tensor:
        a, b = self.a(trace).detach(), self.b(trace).detach()
        logits = self.discriminator(torch.cat([a, b])).squeeze(-1).chunk(2)  # (B,) each
        return 0.5 * (softplus(-logits[0]) + softplus(logits[1]))
