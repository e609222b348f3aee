r"""Bounds for latents whose draws carry no gradient: the encoder learns from q's scores, weighed by what draws gain.

.. math:: \nabla_\phi = \sum_k a_k\, \nabla_\phi \log q(z_k|x), \qquad
          a_k = \tfrac1K \Bigl( f_k - \tfrac{1}{K-1} \sum_{j \ne k} f_j \Bigr) \;\text{ or }\; L_K - L_{K,-k}

The value of each is the bound itself; what is added to it for the gradient is 0.
"""

from __future__ import annotations

__all__ = ["REINFORCE", "VIMCO", "DisARM", "weighed"]

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.distributions import Bernoulli, frozen
from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.schedules import Constant, Schedule
from vaekit.objectives.term import Bound


class Scored(Bound):
    """The base of bounds whose gradient needs none of the draws."""

    scores = True


class REINFORCE(Scored):
    """The ELBO with the leave-one-out score-function gradient (Williams 1992; Kool et al. 2019, Mnih and Rezende 2016).

    Each draw is compared with the mean of the others, which leaves the gradient unbiased. Where q(z|x) = p(z|x) the
    encoder's gradient is 0 in every draw.

    Args:
        samples: K, 2 or more.
        beta: the weight of the rate, a number or a schedule.

    Example:
        >>> REINFORCE(4).samples
        4
    """

    cites: ClassVar[tuple[str, ...]] = ("williams1992", "kool2019", "mnih2016")

    def __init__(self, samples: int = 4, *, beta: float | Schedule = 1.0) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)
        if samples < 2:
            raise Mistake(f"got samples={samples} and wanted 2 or more: a draw is compared with the others.")
        self.beta = beta if isinstance(beta, Schedule) else Constant(float(beta))

    def bound(self, model: Model, trace: Trace) -> Tensor:
        log_w = weighed(trace, self.beta.value())  # (K, B)
        value, k = log_w.mean(0), len(log_w)
        gain = (log_w.detach() - value.detach()) * (k / (k - 1))  # over the mean of the others
        return with_gradient(value, (gain * scored(trace)).mean(0))


class VIMCO(Scored):
    """The importance-weighted bound with a score-function gradient (Mnih and Rezende 2016, arXiv:1602.06725).

    Each draw counts by what the bound of all K gains over the one in which the draw's weight is replaced by the
    geometric mean of the others.

    Args:
        samples: K, 2 or more.
    """

    cites: ClassVar[tuple[str, ...]] = ("mnih2016", "burda2016")

    def __init__(self, samples: int = 5) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)
        if samples < 2:
            raise Mistake(f"got samples={samples} and wanted 2 or more: a draw is compared with the others.")

    def bound(self, model: Model, trace: Trace) -> Tensor:
        log_w = trace.log_w  # (K, B)
        value, k = log_mean_exp(log_w), len(log_w)
        seen = log_w.detach()
        others = (seen.sum(0) - seen) / (k - 1)
        own = torch.eye(k, dtype=torch.bool, device=seen.device).unsqueeze(-1)  # (K, K, 1)
        without = torch.where(own, others.unsqueeze(1), seen).logsumexp(1) - math.log(k)  # (K, B)
        return with_gradient(value, ((value.detach() - without) * scored(trace)).sum(0))


class DisARM(Scored):
    """The ELBO of Bernoulli latents with an antithetic gradient (Dong, Mnih and Tucker 2020, arXiv:2006.10680).

    Each draw is given the one that goes with it (u < p and 1 - u < p), and the randomness that the pair does not show
    is averaged out; the same estimator is U2G (Yin et al. 2020).

    Args:
        samples: pairs.
        beta: the weight of the rate, a number or a schedule.
    """

    cites: ClassVar[tuple[str, ...]] = ("dong2020",)

    def __init__(self, samples: int = 1, *, beta: float | Schedule = 1.0) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)
        self.beta = beta if isinstance(beta, Schedule) else Constant(float(beta))

    def bound(self, model: Model, trace: Trace) -> Tensor:
        q, p, z = trace.q, trace.p, trace.z
        if not isinstance(q, Bernoulli):
            raise Mistake(f"DisARM is for Bernoulli latents and got {type(q).__name__}: use REINFORCE() or VIMCO().")
        other = q.antithetic(z)  # (K, B, D)
        pair = Trace(trace.x, trace.y, ((q, p, other),), model._likelihood(other, trace.y), missing=trace.missing)
        beta = self.beta.value()
        first, second = weighed(trace, beta), weighed(pair, beta)  # (K, B)
        gap = 0.5 * (first - second).detach().unsqueeze(-1)
        slope = gap * (z - other) * q.logits.detach().abs().sigmoid()  # z - other is 1, -1, or 0 where both are alike
        no_path(trace)
        return with_gradient(0.5 * (first + second).mean(0), (slope * q.logits).sum(-1).mean(0))


def weighed(trace: Trace, beta: Any) -> Tensor:
    """log p(x|z) + beta (log p(z) - log q(z|x)) with q's parameters fixed, (K, B)."""
    return trace.log_px + beta * (trace.log_p - frozen(trace.q).log_prob(trace.z))


def scored(trace: Trace) -> Tensor:
    """log q of the draws, (K, B), which may not depend on its parameters by any other way."""
    no_path(trace)
    return trace.log_q


def no_path(trace: Trace) -> None:
    """Refuse draws that carry a gradient, which would be counted twice."""
    if trace.z.requires_grad:
        raise Mistake(
            f"this objective scores draws without a gradient and those of {type(trace.q).__name__} have one: "
            "use ELBO() or IWAE(), or a posterior such as vk.posteriors.Bernoulli or Categorical."
        )


def with_gradient(value: Tensor, score: Tensor) -> Tensor:
    """The value, with its own gradient and that of the score added."""
    return value + (score - score.detach())
