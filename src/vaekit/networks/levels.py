"""Codes on two maps of places, one half as fine as the other (Razavi et al. 2019, arXiv:1906.00446)."""

from __future__ import annotations

__all__ = ["ByPlace", "MapsDecoder", "over"]

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vaekit.messages import Mistake
from vaekit.networks.fold import fold
from vaekit.networks.quantizer import Quantizer
from vaekit.networks.several import common_size
from vaekit.part import Part


class ByPlace(Quantizer):
    """Quantisers for places of their own: the first so many belong to the first, and so on.

    Args:
        books: of one size and width, with one code a place.
        counts: the places of each.

    Example:
        >>> from vaekit.networks import Codebook
        >>> ByPlace([Codebook(64, 8), Codebook(64, 8)], [4, 16])(torch.zeros(5, 20, 8))[1].shape
        torch.Size([5, 20])
    """

    def __init__(self, books: Sequence[Quantizer], counts: Sequence[int]) -> None:
        super().__init__()
        self.books: Any = nn.ModuleList(books)
        self.size, self.width, self.counts = common_size(books), books[0].width, list(counts)
        if len({book.width for book in books}) != 1 or books[0].shape or len(books) != len(self.counts):
            raise Mistake("ByPlace wants quantisers of one width, with one code a place, and a count for each.")

    def _each(self, hook: str, x: Tensor, axis: int) -> list[Any]:
        parts = x.split(self.counts, axis)
        return [getattr(book, hook)(part) for book, part in zip(self.books, parts, strict=True)]

    def project(self, x: Tensor) -> Tensor:
        return torch.cat(self._each("project", x, -2), -2)

    def nearest(self, x: Tensor) -> Tensor:
        return torch.cat(self._each("nearest", x, -2), -1)

    def lookup(self, indices: Tensor) -> Tensor:
        return torch.cat(self._each("lookup", indices, -1), -2)

    def member(self, x: Tensor) -> Tensor:
        return torch.cat(self._each("member", x, -2), -1)

    def start(self, x: Tensor) -> None:
        """From outputs at all places, (M, N, D)."""
        for book, part in zip(self.books, x.split(self.counts, 1), strict=True):
            book.start(part.flatten(0, 1))


class MapsDecoder(Part):
    """A decoder of one map from codes on two: the coarse one is laid over the fine one.

    Args:
        net: from vectors place after place, of both maps side by side, such as ConvDecoder(shape, (2 * D, h, w)).
        maps: (D, H', W') of the coarse and of the fine map.

    Forward: z (*leading, N * D), the coarse map's places first, context tensors (B, w) -> as net's.
    """

    cites: ClassVar[tuple[str, ...]] = ("razavi2019vq",)

    def __init__(self, net: nn.Module, maps: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.net = net
        self.coarse, self.fine = (tuple(one) for one in maps)
        self.features: Any = net.features

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        def laid(flat: Tensor) -> Tensor:
            d, h, w = self.coarse
            top, low = flat.split([d * h * w, flat.shape[1] - d * h * w], 1)
            low = low.unflatten(1, (-1, self.fine[0])).mT.unflatten(2, self.fine[1:])  # (M, D, h, w)
            both = torch.cat([over(top.unflatten(1, (-1, d)), self.coarse, self.fine), low], 1)
            return both.flatten(2).mT.flatten(1)

        out: Tensor = self.net(fold(laid, z, 1), *given)
        return out


def over(vectors: Tensor, coarse: Sequence[int], fine: Sequence[int]) -> Tensor:
    """Vectors of a coarse map, (B, N, D), as a picture of the fine map's size, (B, D, h, w)."""
    return interpolate(vectors.mT.unflatten(2, tuple(coarse[1:])), size=tuple(fine[1:]))
