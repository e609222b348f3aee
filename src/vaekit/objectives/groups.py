r"""The ELBO of groups of items that have some latents in common.

.. math:: \sum_{i \in G} \{E[\log p(x_i|c, s_i)] - KL(q(s_i|x_i) \| p(s))\} - KL(q(c|x_G) \| p(c))
"""

from __future__ import annotations

__all__ = ["GroupELBO"]

from typing import ClassVar

from torch import Tensor

from vaekit.distributions import GroupedGaussian
from vaekit.models import Model, Trace
from vaekit.objectives.bounds import ELBO


class GroupELBO(ELBO):
    """The ELBO of groups, in equal parts to their items: the rate of a latent that a group shares is paid once.

    Summed over a group it is a bound on log p of all of its items, which have one shared part (Bouchacourt et al. 2018,
    arXiv:1705.08841).

    Args:
        beta: the weight of the rate.
        samples: draws of z for each item.
    """

    cites: ClassVar[tuple[str, ...]] = ("bouchacourt2018",)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        each = trace.kl_each if not isinstance(trace.q, GroupedGaussian) else trace.kl_each * trace.q.share
        return trace.log_px[: self.samples].mean(0) - self.beta.value() * each.sum(1)
