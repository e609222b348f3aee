"""Posteriors on the unit sphere: von Mises-Fisher (Davidson et al. 2018) and power spherical (De Cao and Aziz 2020)."""

from __future__ import annotations

__all__ = ["PowerSpherical", "VonMisesFisher"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import softplus

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.networks import Head
from vaekit.posteriors.base import Posterior

MOST = 1e6  # concentrations beyond are not told apart in float32


class VonMisesFisher(Posterior):
    """q(z|x) = vMF(mu(x), kappa(x)) on the unit sphere of R^D (arXiv:1804.00891).

    Its concentration is (D - 1) softplus(.), so that at 0 the mean of mu . z is about a half for any D.

    Args:
        net, features, reads: as for every posterior.
        latent_dim: D, 2 or more: the numbers of a latent, one more than the sphere's dimensions.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> q = VonMisesFisher(MLP(784, [64]), 8)(torch.zeros(5, 784))
        >>> q.sample().norm(dim=-1).round(decimals=4)
        tensor([1., 1., 1., 1., 1.])
    """

    cites: ClassVar[tuple[str, ...]] = ("davidson2018", "figurnov2018")
    family: Callable[[Tensor, Tensor], Any] = distributions.VonMisesFisher

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        if latent_dim < 2:
            raise Mistake(f"got latent_dim={latent_dim} and a sphere wants 2 or more: the circle is in the plane.")
        super().__init__(net, latent_dim, features=features, reads=reads)
        self.width = Head(self.head.features, (1,))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with directions that lie all around the sphere, and one concentration."""
        self.head.whiten(0, self.first_features(x, y))
        self.width.silence(0)

    def forward(self, *given: Tensor | None) -> Any:
        features = self.net(*given)
        raw, width = self.head(features)[0], self.width(features)[0].squeeze(-1)  # (B, D), (B,)
        raw = raw / raw.detach().abs().amax(-1, keepdim=True).clamp_min(1e-30)  # whose squares do not overflow
        loc = raw / raw.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return type(self).family(loc, ((self.latent_shape[0] - 1) * softplus(width)).clamp_max(MOST))


class PowerSpherical(VonMisesFisher):
    """q(z|x) = a power spherical density on the unit sphere of R^D (arXiv:2006.04437), which needs no rejection."""

    cites: ClassVar[tuple[str, ...]] = ("decao2020",)
    family = distributions.PowerSpherical
