r"""Terms on the aggregate posterior q(z) that press latents to be independent.

.. math:: TC = KL(q(z) \| \textstyle\prod_j q(z_j)), \qquad
          \lambda_{od} \sum_{i \ne j} C_{ij}^2 + \lambda_d \sum_i (C_{ii} - 1)^2
"""

from __future__ import annotations

__all__ = ["CovarianceOfMeans", "CovarianceOfSamples", "MutualInformation", "TotalCorrelation"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class TotalCorrelation(Term):
    """log q(z) - sum over j of log q(z_j) at each item's draw (Chen et al. 2018, arXiv:1802.04942).

    q(z) is estimated from the batch: the item itself stands for one of the N, the others, drawn without replacement,
    for the rest, which makes the estimate of q(z) unbiased. The paper's stratified weights have the same mean; its
    weighted sampling, which divides all by N times the batch, is biased by a constant.
    """

    cites: ClassVar[tuple[str, ...]] = ("chen2018",)
    company = 2

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("items", torch.zeros((), dtype=torch.float64))
        self.items: Tensor

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        self.items.fill_(n)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        each = aggregate(trace, self.items)  # (B, 1 + D)
        return each[:, 0] - each[:, 1:].sum(1)


class MutualInformation(TotalCorrelation):
    """log q(z|x) - log q(z) at each item's draw: what the latents say about the item's number, by the same estimate."""

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return trace.log_q[0] - aggregate(trace, self.items)[:, 0]


class CovarianceOfMeans(Term):
    """DIP-VAE I: the posteriors' means are pressed to covariance I (Kumar et al. 2018, arXiv:1711.00848).

    Args:
        off_diagonal: the weight of squared covariances.
        diagonal: that of squared distances of variances from 1.
    """

    cites: ClassVar[tuple[str, ...]] = ("kumar2018",)
    company = 2

    def __init__(self, off_diagonal: float = 10.0, diagonal: float = 100.0) -> None:
        super().__init__()
        self.off_diagonal, self.diagonal = float(off_diagonal), float(diagonal)

    def covariance(self, trace: Trace) -> Tensor:
        centred = trace.q.mean - trace.q.mean.mean(0)
        return centred.mT @ centred / len(centred)  # (D, D), for one latent too

    def forward(self, model: Model, trace: Trace) -> Tensor:
        covariance = self.covariance(trace)
        own = covariance.diagonal()
        others = covariance.square().sum() - own.square().sum()
        return self.off_diagonal * others + self.diagonal * (own - 1).square().sum()


class CovarianceOfSamples(CovarianceOfMeans):
    """DIP-VAE II: that of q(z) itself, the means' and the mean of the posteriors' variances."""

    def __init__(self, off_diagonal: float = 10.0, diagonal: float = 10.0) -> None:
        super().__init__(off_diagonal, diagonal)

    def covariance(self, trace: Trace) -> Tensor:
        return super().covariance(trace) + torch.diag(trace.q.variance.mean(0))


def aggregate(trace: Trace, items: Tensor) -> Tensor:
    """log q(z), then log q(z_j) of each latent, at each item's first draw, (B, 1 + D), estimated from the batch.

    Args:
        trace: of one level whose latents factorise.
        items: N, a float; 0 where before_fit has not told.
    """
    q: Any = trace.q
    if not hasattr(q, "log_prob_each"):
        raise Mistake(f"the latents of {type(q).__name__} do not factorise: give a Gaussian posterior.")
    z = trace.z[0]  # (B, D)
    b = len(z)
    n = items.clamp_min(b)
    each = q.log_prob_each(z.unsqueeze(1))  # (B, B, D): draw i under the posterior of item j
    joint = torch.cat([each.sum(2, keepdim=True), each], 2)
    own, other = -n.log(), ((n - 1) / (n * max(b - 1, 1))).log()
    weight = torch.where(torch.eye(b, dtype=torch.bool, device=z.device), own, other).to(z.dtype)
    return torch.logsumexp(joint + weight.unsqueeze(2), 1)
