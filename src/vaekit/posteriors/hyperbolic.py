"""The posterior on the Poincare ball (Mathieu et al. 2019, arXiv:1901.06033; Nagano et al. 2019, arXiv:1902.02992)."""

from __future__ import annotations

__all__ = ["WrappedNormal"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit import distributions
from vaekit.maths import ball_exp
from vaekit.messages import require_positive
from vaekit.posteriors.base import Posterior

LOG_SCALE = (-10.0, 2.0)  # wider ones end at the edge of the ball


class WrappedNormal(Posterior):
    """q(z|x) = a normal wrapped onto the ball of curvature -c at exp_0(f(x)).

    Args:
        net, latent_dim, features, reads: as for every posterior.
        curvature: c, above 0.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = WrappedNormal(MLP(784, [64]), 2)(torch.zeros(5, 784))
        >>> bool((q.rsample().norm(dim=-1) < 1).all())
        True
    """

    cites: ClassVar[tuple[str, ...]] = ("mathieu2019", "nagano2019")
    parameters_each = 2

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        curvature: float = 1.0,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads)
        self.curvature = require_positive("curvature", curvature)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with codes that lie around the origin as the prior does, and as wide as it."""
        self.head.whiten(0, self.first_features(x, y))
        self.head.silence(1)

    def forward(self, *given: Tensor | None) -> distributions.WrappedNormal:
        tangent, log_scale = self.parameters_of(*given)  # (B, D) each
        loc = ball_exp(torch.zeros_like(tangent), tangent, self.curvature)
        return distributions.WrappedNormal(loc, hardtanh(log_scale, *LOG_SCALE), self.curvature)
