r"""Reconstruction, KL, the ELBO and the importance-weighted bound.

.. math:: \mathrm{ELBO}_\beta = E_q[\log p(x|z)] - \beta\, KL(q\|p), \qquad
          L_K = E \log \tfrac1K \sum_k p(x, z_k) / q(z_k|x)
"""

from __future__ import annotations

__all__ = ["ELBO", "IWAE", "KL", "Reconstruction"]

import math
from numbers import Real
from typing import ClassVar

from torch import Tensor

from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.schedules import Constant, Schedule
from vaekit.objectives.term import Bound, Term


class Reconstruction(Term):
    """The distortion, -log p(x|z), mean over the draws of z."""

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return -trace.log_px.mean(0)


class KL(Term):
    """The rate, KL(q(z|x) || p(z)); refuses a Point posterior."""

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return trace.kl


class ELBO(Bound):
    """The evidence lower bound (Kingma and Welling 2014, arXiv:1312.6114), its rate weighed by beta.

    Args:
        beta: the weight of the rate (Higgins et al. 2017): a number or a schedule; a bound on log p(x) from 1 up.
        samples: draws of z.

    Example:
        >>> ELBO(beta=4.0).beta.value()
        tensor(4.)
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014",)

    def __init__(self, *, beta: float | Schedule = 1.0, samples: int = 1) -> None:
        super().__init__()
        if not isinstance(beta, Schedule) and not (isinstance(beta, Real) and 0 <= beta < math.inf):
            raise Mistake(f"got beta={beta!r} and wanted 0 or more: the rate is weighed, never rewarded.")
        self.beta = beta if isinstance(beta, Schedule) else Constant(float(beta))
        self.samples = samples

    def bound(self, model: Model, trace: Trace) -> Tensor:
        rate = self.beta.value() * trace.kl
        log_px = trace.log_px
        return (log_px.squeeze(0) if len(log_px) == 1 else log_px.mean(0)) - rate


class IWAE(Bound):
    """The importance-weighted bound of K draws (Burda, Grosse and Salakhutdinov 2016, arXiv:1509.00519).

    Args:
        samples: K; the bound rises with it towards log p(x).
    """

    cites: ClassVar[tuple[str, ...]] = ("burda2016",)
    reads_densities: ClassVar[bool] = True

    def __init__(self, samples: int = 8) -> None:
        super().__init__()
        if samples < 1:
            raise Mistake(f"got samples={samples} and wanted at least 1.")
        self.samples = samples

    def bound(self, model: Model, trace: Trace) -> Tensor:
        return log_mean_exp(trace.log_w)
