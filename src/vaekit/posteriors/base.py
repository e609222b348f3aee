"""Posterior: a network, its head and the family of distributions that they give."""

from __future__ import annotations

__all__ = ["Posterior"]

from collections.abc import Sequence

from torch import Tensor, nn

from vaekit.conditional import Conditional
from vaekit.networks import Head, features_of


class Posterior(Conditional):
    """q(z|x,y) = family(head(net(x, y))).

    Args:
        net: any module from x (B, *X) and the context it reads to features.
        latent_dim: the number of latents.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context that net wants.
    """

    parameters_each: int = 1  # numbers per latent that the head makes
    has_density: bool = True

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
        self.latent_shape: tuple[int, ...] = (latent_dim,)
        self.head = Head(features_of(net, features), (self.head_width(latent_dim),), self.parameters_each)

    @staticmethod
    def head_width(latent_dim: int) -> int:
        return latent_dim

    def parameters_of(self, *given: Tensor | None) -> tuple[Tensor, ...]:
        """The head's output, parameters_each tensors (B, latent_dim)."""
        out: tuple[Tensor, ...] = self.head(self.net(*given))
        return out
