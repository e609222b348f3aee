r"""FlowPrior: noise pushed through invertible maps that are learned with the model.

.. math:: \log p(z) = \log N(f^{-1}(z); 0, I) + \log |\det \partial f^{-1}(z) / \partial z|
"""

from __future__ import annotations

__all__ = ["FlowPrior"]

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.networks.flows import Layer
from vaekit.priors.base import Prior


class FlowPrior(Prior):
    """p(z) = the law of f_T(... f_1(e)) with e from N(0, I) (Chen et al. 2017, arXiv:1611.02731; Xu et al. 2019).

    Each step scores posterior draws, so the inverse maps should be fast ones: Coupling, or Reversed(Autoregressive).

    Args:
        latent_dim: D.
        layers: of vk.networks.flows, without features.

    Example:
        >>> from vaekit.networks.flows import Coupling
        >>> p = FlowPrior(3, [Coupling(3), Coupling(3, odd=True)])()
        >>> p.log_prob(p.sample((5,))).shape
        torch.Size([5])
    """

    cites: ClassVar[tuple[str, ...]] = ("chen2017", "xu2019")

    def __init__(self, latent_dim: int, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.layers: Any = nn.ModuleList(layers)
        self.register_buffer("zeros", torch.zeros(latent_dim))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> distributions.Flow:
        return distributions.Flow(distributions.StandardGaussian(self.zeros), [layer() for layer in self.layers])
