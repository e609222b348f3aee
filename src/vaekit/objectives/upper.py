r"""An upper bound on log p(x), whose minimum over q covers the posterior where the ELBO's would pick a part of it.

.. math:: \mathrm{CUBO}_n = \tfrac1n \log E_q \Bigl[ \Bigl( \tfrac{p(x, z)}{q(z|x)} \Bigr)^n \Bigr] \ge \log p(x)
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
    what has no bias.

    Args:
        order: n, above 1; with 2 it is the chi-square divergence that is made small.
        samples: K.
    """

    cites: ClassVar[tuple[str, ...]] = ("dieng2017",)

    def __init__(self, order: float = 2.0, samples: int = 8) -> None:
        super().__init__()
        if not 1 < order < math.inf:
            raise Mistake(f"got order={order!r} and wanted a number above 1: up to it there is no upper bound.")
        self.order, self.samples = float(order), require_count("samples", samples)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return log_mean_exp(self.order * trace.log_w) / self.order
