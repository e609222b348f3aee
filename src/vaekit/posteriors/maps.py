"""A Gaussian over a map of latents, some at each place of a picture (Rombach et al. 2022, arXiv:2112.10752)."""

from __future__ import annotations

__all__ = ["GaussianMap"]

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.networks import Head, as_vector, features_of
from vaekit.posteriors.gaussian import LOG_SCALE, Gaussian


class GaussianMap(Gaussian):
    """q(z|x) = N(mean(x), diag(scale(x)^2)) over a map of latents, whose parameters a convolution makes.

    Latents are the numbers of the places, one place after the other, h * w * C in all; `vk.networks.as_map` lays them
    out as (B, C, h, w).

    Args:
        net: any module from x (B, *X) and the context it reads to maps.
        latent_dim: C, the latents of each place.
        features: the shape of one output of net, (C', h, w); asked of `net.features` where it has one.
        reads: the fields of the context that net wants.

    Example:
        >>> from vaekit.networks import ConvEncoder
        >>> q = GaussianMap(ConvEncoder((3, 16, 12), [8], width=None), 4)(torch.zeros(5, 3, 16, 12))
        >>> q.batch_shape, q.event_shape  # 4 * 8 * 6
        (torch.Size([5]), torch.Size([192]))
    """

    cites: ClassVar[tuple[str, ...]] = ("rombach2022", "kingma2014")

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        found = features_of(net, features)
        if len(found) != 3:
            raise Mistake(f"GaussianMap got features of shape {found} and wanted a map, (C, h, w): use Gaussian.")
        super().__init__(net, latent_dim, features=found, reads=reads)
        self.places: tuple[int, ...] = found[1:]
        self.latent_shape = (latent_dim * math.prod(self.places),)
        self.head = Head(found, (latent_dim, *self.places), self.parameters_each)

    @torch.no_grad()
    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with codes of mean 0 and variance 1 in each of the C planes, over items and places, and scale 1."""
        first = self.head(self.first_features(x, y))[0]  # (N, C, h, w)
        variance, mean = torch.var_mean(first, (0, 2, 3), correction=0)
        if bool((variance > 0).all()) and bool(variance.isfinite().all()):
            bias, factor = self.head.bias(0).view(len(mean), -1), variance.rsqrt()
            bias.sub_(mean.unsqueeze(1)).mul_(factor.unsqueeze(1))
            self.head.layer.weight[: len(mean)].mul_(factor.view(-1, 1, 1, 1))
        self.head.silence(1)

    def from_features(self, features: Tensor) -> distributions.DiagonalGaussian:
        loc, log_scale = (as_vector(part) for part in self.head(features))  # each (B, h * w * C)
        return distributions.DiagonalGaussian(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE))
