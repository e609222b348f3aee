r"""An upper bound on log p(x), whose minimum over q covers the posterior where the ELBO's would pick a part of it.

.. math:: \mathrm{CUBO}_n = \tfrac1n \log E_q \Bigl[ \Bigl( \tfrac{p(x, z)}{q(z|x)} \Bigr)^n \Bigr], \qquad
          \nabla_\phi = -\tfrac{n-1}{n} \sum_k \tilde w_k^{(n)}\, \nabla_\phi \log q(z_k|x)
"""

from __future__ import annotations

__all__ = ["CUBO"]

import math
from typing import ClassVar

from torch import Tensor

from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class CUBO(Term):
    """The chi upper bound on log p(x), (B,), to be minimised by q (Dieng et al. 2017, arXiv:1611.00328).

    It is log p(x) where q(z|x) = p(z|x). Of K draws its mean is below the bound, by less as K grows: exp(n CUBO) is
    what has no bias. Its gradient is for q alone, and that of q's score under normalised weights w^n, which is 0 in the
    mean for one draw; the gradient through the draws themselves would for few draws lead q away from p(z|x), where all
    weights are small.

    Args:
        order: n, above 1; with 2 it is the chi-square divergence that is made small.
        samples: K.
    """

    cites: ClassVar[tuple[str, ...]] = ("dieng2017",)
    reads_densities: ClassVar[bool] = True
    scores = True

    def __init__(self, order: float = 2.0, samples: int = 8) -> None:
        super().__init__()
        if not 1 < order < math.inf:
            raise Mistake(f"got order={order!r} and wanted a number above 1: up to it there is no upper bound.")
        self.order, self.samples = float(order), require_count("samples", samples)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        powers = self.order * trace.log_w.detach()  # (K, B)
        value = log_mean_exp(powers) / self.order
        score = (powers.softmax(0) * trace.q.log_prob(trace.z.detach())).sum(0)
        return value - (1 - 1 / self.order) * (score - score.detach())
