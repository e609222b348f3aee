r"""A posterior of several modalities: a network that reads them all, and experts for where some are missing.

.. math:: q(z|x) \text{ where all are seen, else } \prod_m q_m(z|x_m)
"""

from __future__ import annotations

__all__ = ["EachThenAll", "JointOrExperts"]

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian, PooledGaussian
from vaekit.messages import Mistake
from vaekit.networks import features_of
from vaekit.part import Part
from vaekit.posteriors.base import AnyPosterior
from vaekit.posteriors.experts import Experts, products
from vaekit.posteriors.gaussian import Gaussian


class EachThenAll(Part):
    """A network that gives each modality to one of its own and lays their features side by side.

    Args:
        nets: in the order of the modalities.
        modalities: how x is cut.
    """

    def __init__(self, nets: Sequence[nn.Module], modalities: Modalities) -> None:
        super().__init__()
        self.nets, self.modalities = nn.ModuleList(nets), modalities
        self.features = (sum(math.prod(features_of(net, None)) for net in nets),)

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.modalities.split(x).values()
        return torch.cat([net(piece).flatten(1) for net, piece in zip(self.nets, pieces, strict=True)], -1)


class JointOrExperts(Experts):
    """q(z|x) of a network that reads all modalities, where all are seen; else the product of the experts of those seen.

    Each expert is trained to be a posterior: the prior is in every one, and is taken out of the product but once.

    Args:
        joint: given all of x.
        experts, modalities: as for all experts.

    Source: Suzuki, Nakayama and Matsuo 2016, arXiv:1611.01891; Vedantam et al. 2018, arXiv:1705.10762.
    """

    cites: ClassVar[tuple[str, ...]] = ("suzuki2016", "vedantam2018")

    def __init__(self, joint: Gaussian, experts: Mapping[str, AnyPosterior], modalities: Modalities) -> None:
        super().__init__(experts, modalities)
        self.joint = joint
        if joint.latent_shape != self.latent_shape:
            ours, theirs = joint.latent_shape[0], self.latent_shape[0]
            raise Mistake(
                f"got {ours} latents from the joint network and {theirs} from the experts: give equally many."
            )

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        super().before_fit(x, y, n)
        there = self.modalities.seen(x).all(-1)
        for part in self.joint.walk("before_fit") if bool(there.any()) else ():
            part.before_fit(x[there], {name: v[there] for name, v in y.items()}, n)

    def forward(self, *given: Tensor | None) -> Any:
        each, seen = self.believed(given[0])
        x, there = given[0], seen.all(-1, keepdim=True)
        assert x is not None
        whole = self.joint(x.masked_fill(~there.view(-1, *[1] * (x.ndim - 1)), 0.0))
        loc, log_scale = self.without_prior(each, seen)
        loc = torch.where(there, whole.loc, loc)
        return PooledGaussian(loc, torch.where(there, whole.log_scale, log_scale), each, seen)

    @staticmethod
    def without_prior(each: DiagonalGaussian, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The product of those seen over N(0, I) for all but one: each is a posterior, with the prior in it."""
        product = products(each, seen.unsqueeze(1))
        precision = (-2 * product.log_scale.squeeze(1)).exp()  # (B, D)
        pull = product.loc.squeeze(1) * precision
        largest = torch.where(seen.unsqueeze(-1), (-2 * each.log_scale).exp(), 0.0).amax(1)
        spare = (seen.sum(1, keepdim=True) - 1).clamp_min(0)
        left = torch.maximum(precision - spare, torch.where(largest > 0, largest, precision))
        return pull / left, -0.5 * left.log()
