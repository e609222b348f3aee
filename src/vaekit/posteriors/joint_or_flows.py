r"""A posterior of several modalities: a network that reads them all, and a flow for each where some are missing.

.. math:: q(z|x) \text{ where all are seen, else } \tfrac{1}{|S|} \sum_{m \in S} q_m(z|x_m), \qquad
          z = f_m(z_0),\ z_0 \sim N(\mu_m(x_m), \sigma_m(x_m)^2)
"""

from __future__ import annotations

__all__ = ["JointOrFlows"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit.distributions import DiagonalGaussian, PooledGaussian, PooledMixture
from vaekit.posteriors.base import AnyPosterior
from vaekit.posteriors.flow import Flow
from vaekit.posteriors.gaussian import Gaussian
from vaekit.posteriors.joint_or_experts import JointOrExperts


class JointOrFlows(JointOrExperts):
    """q(z|x) of a network that reads all modalities, where all are seen; else the mixture of the flows of those seen.

    Of one modality it is that modality's flow, and of none N(0, I). Of several but not all the source draws from the
    product of the flows by Hamiltonian Monte Carlo, whose density nobody can normalise: here it is their mixture, so
    that bounds and importance weights stay exact, and `vk.evaluation.product_draws` draws from the product.

    In training, where draws of a flow would take a pass for each latent, the network that reads all modalities stands
    for every item, and reads zeros for what is missing.

    Args:
        joint: given all of x.
        experts: name -> Gaussian or Flow; of a Flow whose layers are Reversed, densities take one pass.
        modalities: as for all experts.

    Source: Senellart, Chadebec and Allassonnière 2023, arXiv:2305.11832.

    Example:
        >>> from vaekit.data import Modalities
        >>> from vaekit.networks import MLP
        >>> from vaekit.networks.flows import Planar
        >>> experts = {name: Flow(Gaussian(MLP(2, [8]), 3), [Planar(3)]) for name in ("first", "second")}
        >>> posterior = JointOrFlows(Gaussian(MLP(4, [8]), 3), experts, Modalities((4,))).eval()
        >>> posterior(torch.tensor([[0.0, 0.0, torch.nan, torch.nan]])).there[0].tolist()  # all, each, none
        [False, True, False, False]
    """

    cites: ClassVar[tuple[str, ...]] = ("senellart2023",)
    families: ClassVar[tuple[type[AnyPosterior], ...]] = (Gaussian, Flow)

    def forward(self, *given: Tensor | None) -> PooledGaussian | PooledMixture:
        x = given[0]
        each, seen = self.asked(x)
        assert x is not None
        whole = self.joint(x.masked_fill(x.isnan(), 0.0))
        if self.training:
            return PooledGaussian(whole.loc, whole.log_scale, tuple(each), seen)
        everything = seen.all(-1, keepdim=True)
        zeros = torch.zeros_like(whole.loc)
        there = torch.cat([everything, seen & ~everything, ~seen.any(-1, keepdim=True)], -1)  # (B, 1 + M + 1)
        return PooledMixture([whole, *each, DiagonalGaussian(zeros, zeros)], there, each, seen)
