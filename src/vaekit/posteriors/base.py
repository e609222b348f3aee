"""Posterior: the base of all, and of those that are a network, its head and a family of distributions."""

from __future__ import annotations

__all__ = ["AnyPosterior", "Around", "Posterior"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.conditional import Conditional, pick
from vaekit.networks import Head, features_of

STARTED_FROM, CHUNK = 2048, 256  # training items that a start is taken from, and how many at a time


class AnyPosterior(Conditional):
    """Given x (B, *X) and the context (B, width)..., returns q(z|x,y) with batch shape (B,)."""

    latent_shape: tuple[int, ...]
    has_density: bool = True
    takes_missing: bool = False  # whether x may hold NaN
    infers: tuple[str, ...] = ()  # the fields of the context that it can do without


class Around(AnyPosterior):
    """The base of those that begin at another posterior, whose network and last layer are theirs."""

    @property
    def inner(self) -> Any:
        """Where they begin."""
        raise NotImplementedError

    @property
    def net(self) -> nn.Module:
        """Its network."""
        net: nn.Module = self.inner.net
        return net

    @property
    def head(self) -> nn.Module:
        """Its last layer."""
        head: nn.Module = self.inner.head
        return head


class Posterior(AnyPosterior):
    """q(z|x,y) = family(head(net(x, y))).

    Args:
        net: any module from x (B, *X) and the context it reads to features.
        latent_dim: the number of latents.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context that net wants.
    """

    parameters_each: int = 1  # numbers per latent that the head makes

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.net = net
        self.reads = tuple(reads)
        self.latent_shape = (latent_dim,)
        found = features_of(net, features)
        self.head = Head(found, self.event(latent_dim, found), self.parameters_each)

    @staticmethod
    def head_width(latent_dim: int) -> int:
        return latent_dim

    def event(self, latent_dim: int, features: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one parameter as the head makes it."""
        return (self.head_width(latent_dim),)

    def from_features(self, features: Tensor) -> Distribution:
        """What the net's output, (B, *F), makes; for parts that read the features too."""
        raise NotImplementedError

    def numbers(self, features: Tensor) -> tuple[Tensor, ...]:
        """The head's output, parameters_each tensors (B, latent_dim)."""
        out: tuple[Tensor, ...] = self.head(features)
        return out

    def parameters_of(self, *given: Tensor | None) -> tuple[Tensor, ...]:
        """The same of the net's own output."""
        return self.numbers(self.net(*given))

    def first_features(self, x: Tensor, y: Mapping[str, Tensor]) -> Tensor:
        """What the network makes of some training items, (N, *features), for a start that looks at them."""
        stride = -(-len(x) // STARTED_FROM)  # items may be sorted by class: not the first ones alone
        some = [part[::stride] for part in (x, *pick(self, y)) if part is not None]
        chunks = zip(*(part.split(CHUNK) for part in some), strict=True)
        return torch.cat([self.net(*chunk) for chunk in chunks])
