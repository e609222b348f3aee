"""Posteriors over a map of latents, some at each place of a picture (Rombach et al. 2022, arXiv:2112.10752)."""

from __future__ import annotations

__all__ = ["GaussianMap", "OnMap", "PointMap"]

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.networks import as_vector
from vaekit.posteriors.base import Posterior
from vaekit.posteriors.gaussian import Gaussian
from vaekit.posteriors.point import Point


class OnMap(Posterior):
    """The base of those whose head is a convolution: C latents at each place of the network's map, (C', h, w).

    Latents are the numbers of the places, one place after the other, h * w * C in all; `vk.networks.as_map` lays them
    out as (B, C, h, w).

    Args:
        net: any module from x (B, *X) and the context it reads to maps.
        latent_dim: C, the latents of each place.
        features: the shape of one output of net, (C', h, w); asked of `net.features` where it has one.
        reads: the fields of the context that net wants.
    """

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads)
        self.places: tuple[int, ...] = tuple(self.head.shape[1:])
        self.latent_shape = (latent_dim * math.prod(self.places),)

    def event(self, latent_dim: int, features: tuple[int, ...]) -> tuple[int, ...]:
        if len(features) != 3:
            raise Mistake(
                f"{type(self).__name__} got features of shape {features} and wanted a map, (C, h, w): give a network "
                "without a last layer of all places, such as vk.networks.MapEncoder."
            )
        return (latent_dim, *features[1:])

    def numbers(self, features: Tensor) -> tuple[Tensor, ...]:
        return tuple(as_vector(part) for part in super().numbers(features))

    @torch.no_grad()
    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with codes of mean 0 and variance 1 in each of the C planes, over items and places."""
        first = self.head(self.first_features(x, y))[0]  # (N, C, h, w)
        variance, mean = torch.var_mean(first, (0, 2, 3), correction=0)
        if bool((variance > 0).all()) and bool(variance.isfinite().all()):
            self.head.rescale(0, mean, variance.rsqrt())


class GaussianMap(OnMap, Gaussian):
    """q(z|x) = N(mean(x), diag(scale(x)^2)) over a map of latents.

    Args:
        net, latent_dim, features, reads: as for every posterior on a map.

    Example:
        >>> from vaekit.networks import MapEncoder
        >>> q = GaussianMap(MapEncoder((3, 16, 12), [8]), 4)(torch.zeros(5, 3, 16, 12))
        >>> q.batch_shape, q.event_shape  # 4 * 8 * 6
        (torch.Size([5]), torch.Size([192]))
    """

    cites: ClassVar[tuple[str, ...]] = ("rombach2022", "kingma2014")

    @torch.no_grad()
    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        super().before_fit(x, y, n)
        self.head.silence(1)

    def rescale(self, mean: Tensor, scale: Tensor) -> None:
        raise Mistake("latents of a map share their layer from place to place: vk.maps.scaled gives them one scale.")


class PointMap(OnMap, Point):
    """z = f(x), a map of latents: no rate, no ELBO and no likelihood.

    Args:
        net, latent_dim, features, reads: as for every posterior on a map.

    Example:
        >>> from vaekit.networks import MapEncoder
        >>> PointMap(MapEncoder((16, 12), [8]), 2)(torch.zeros(5, 16, 12)).mean.shape
        torch.Size([5, 96])
    """

    cites: ClassVar[tuple[str, ...]] = ("chen2024", "hinton2006")
