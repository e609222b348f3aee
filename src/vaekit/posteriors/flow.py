r"""Flow: a Gaussian posterior pushed through invertible maps (Rezende and Mohamed 2015, arXiv:1505.05770).

.. math:: \log q(z|x) = \log N(z_0; \mu(x), \sigma(x)^2) - \sum_t \log |\det \partial z_t / \partial z_{t-1}|
"""

from __future__ import annotations

__all__ = ["Flow"]

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.networks.flows import Layer
from vaekit.posteriors.base import Around, Posterior


class Flow(Around):
    """q(z|x) = the law of f_T(... f_1(z_0)) with z_0 from a Gaussian posterior.

    Args:
        base: of z_0, Gaussian or FullGaussian; what its net makes of x is seen by every layer.
        layers: of vk.networks.flows, each with `features=base.head.features`, or without for maps that all items share.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP, flows
        >>> from vaekit.posteriors import Gaussian
        >>> base = Gaussian(MLP(784, [64]), 8)
        >>> q = Flow(base, [flows.Planar(8, base.head.features) for _ in range(4)])(torch.zeros(5, 784))
        >>> q.log_prob(q.rsample((2,))).shape
        torch.Size([2, 5])
    """

    cites: ClassVar[tuple[str, ...]] = ("rezende2015",)

    def __init__(self, base: Posterior, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.base = base
        self.layers: Any = nn.ModuleList(layers)
        self.reads, self.latent_shape = base.reads, base.latent_shape

    @property
    def inner(self) -> Any:
        return self.base

    def forward(self, *given: Tensor | None) -> distributions.Flow:
        features = self.net(*given)
        return distributions.Flow(self.base.from_features(features), [layer(features) for layer in self.layers])
