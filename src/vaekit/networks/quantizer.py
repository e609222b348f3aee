"""Quantizer: what turns an encoder's output into vectors that have numbers."""

from __future__ import annotations

__all__ = ["Quantizer", "VectorTable"]

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from vaekit.part import Part


class Quantizer(Part):
    """The base of all: each place of an encoder's output becomes one vector of a finite set.

    Attributes:
        size: how many values each index has, K.
        width: how many numbers a vector has, D.
        shape: of the indices of one place: () for one, (L,) for L.
        legible: whether a vector tells its indices, so that `nearest` is the inverse of `lookup`.

    Forward: x (*leading, D), as `project` gives it -> vectors (*leading, D) and their indices (*leading, *shape).
    """

    size: int
    width: int
    shape: tuple[int, ...] = ()
    legible: bool = True

    @property
    def outside(self) -> int:
        """How many numbers a place has for the networks on both sides: D, where a vector is not made of several."""
        return self.width

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        indices = self.nearest(x)
        return self.lookup(indices), indices

    def project(self, x: Tensor) -> Tensor:
        """An encoder's output where the vectors are: within bounds, on a sphere; (*leading, D) both."""
        return x

    def nearest(self, x: Tensor) -> Tensor:
        """The indices of the vector that stands for each input, (*leading, *shape)."""
        raise NotImplementedError

    def lookup(self, indices: Tensor) -> Tensor:
        """The vectors of these indices, (*leading, D)."""
        raise NotImplementedError

    def stages(self, vectors: Tensor, indices: Tensor) -> tuple[Tensor, ...]:
        """What stands for an input after each of its indices, the vectors themselves at the end."""
        return (vectors,)

    def member(self, x: Tensor) -> Tensor:
        """Whether each input is one of the vectors, (*leading)."""
        return (self.lookup(self.nearest(x)) == x).all(-1)

    def entered(self, decoder: nn.Module) -> nn.Module:
        """A decoder as it is given the vectors of all places: behind what becomes of them first, if anything."""
        return decoder

    def start(self, x: Tensor) -> None:
        """Begin where some of an encoder's outputs are, (M, D); nothing where the vectors stand still."""


class VectorTable(Quantizer):
    """The base of those with a table of K vectors, the nearest of which is taken."""

    def table(self) -> Tensor:
        """The vectors, (K, D)."""
        raise NotImplementedError

    @torch.no_grad()
    def nearest(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            vectors = self.table()
            flat = x.to(vectors.dtype).flatten(0, -2)
            return torch.addmm(vectors.square().sum(-1), flat, vectors.T, alpha=-2).argmin(-1).view(x.shape[:-1])

    def lookup(self, indices: Tensor) -> Tensor:
        vectors = self.table()
        return embedding(indices.to(vectors.device), vectors)

    def member(self, x: Tensor) -> Tensor:
        return (self.lookup(self.exact(x)) == x).all(-1)

    @torch.no_grad()
    def exact(self, x: Tensor) -> Tensor:
        """The indices of inputs that are vectors of the table; of others, any."""
        indices = self.nearest(x)
        other = (self.lookup(indices) != x).any(-1)
        if bool(other.any()):  # of two vectors that nearly agree, rounding may have named the other
            indices[other] = (x[other].unsqueeze(-2) == self.table()).all(-1).int().argmax(-1)
        return indices
