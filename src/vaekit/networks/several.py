"""Several codes for one place: one after the other on what is left, or side by side on parts of the vector."""

from __future__ import annotations

__all__ = ["Grouped", "ResidualCodes"]

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.networks.quantizer import Quantizer, VectorTable


class ResidualCodes(Quantizer):
    r"""Codebooks one after the other, each of what those before it left; a vector is the sum.

    .. math:: r_1 = z, \quad r_{l+1} = r_l - e_l(r_l), \quad \hat z = \sum_l e_l(r_l)

    Zeghidour et al. 2021 (SoundStream, arXiv:2107.03312), Lee et al. 2022 (RQ-VAE, arXiv:2203.01941).

    Args:
        books: of one size and width.

    Example:
        >>> from vaekit.networks import Codebook
        >>> vectors, indices = ResidualCodes([Codebook(64, 8), Codebook(64, 8)])(torch.zeros(5, 49, 8))
        >>> vectors.shape, indices.shape
        (torch.Size([5, 49, 8]), torch.Size([5, 49, 2]))
    """

    cites: ClassVar[tuple[str, ...]] = ("zeghidour2021", "lee2022")

    legible = False  # the sum of a row's vectors may lie nearest to another row's first one

    def __init__(self, books: Sequence[VectorTable]) -> None:
        super().__init__()
        if not all(isinstance(book, VectorTable) for book in books) or len({book.width for book in books}) != 1:
            raise Mistake("ResidualCodes wants codebooks of one width: give [Codebook(512, 16), Codebook(512, 16)].")
        self.books: Any = nn.ModuleList(books)
        self.size, self.width, self.shape = common_size(books), books[0].width, (len(books),)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        left, found = x.detach(), []
        for book in self.books:
            vectors, indices = book(left)
            left = left - vectors.detach()
            found.append(indices)
        chosen = torch.stack(found, -1)
        return self.lookup(chosen), chosen  # one way to add, so that a vector is the same wherever it is made

    @torch.no_grad()
    def nearest(self, x: Tensor) -> Tensor:
        """The codes that a forward pass finds; of all sums another may be nearer."""
        found = []
        for book in self.books:
            found.append(book.nearest(x))
            x = x - book.lookup(found[-1])
        return torch.stack(found, -1)

    def lookup(self, indices: Tensor) -> Tensor:
        return self._sums(indices)[-1]

    def stages(self, vectors: Tensor, indices: Tensor) -> tuple[Tensor, ...]:
        return (*self._sums(indices)[:-1], vectors)

    def member(self, x: Tensor) -> Tensor:
        """Taken as given: to know whether x is a sum of vectors, all K^L sums would have to be looked at."""
        return torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)

    def _sums(self, indices: Tensor) -> list[Tensor]:
        total, sums = None, []
        for book, chosen in zip(self.books, indices.unbind(-1), strict=True):
            vectors = book.lookup(chosen)
            total = vectors if total is None else total + vectors
            sums.append(total)
        return sums

    def start(self, x: Tensor) -> None:
        start_in_turn(self.books, x)


class Grouped(Quantizer):
    """Quantisers side by side: each has its own part of the vector.

    Jégou, Douze and Schmid 2011 (product quantisation).

    Args:
        books: of one size; the widths add up.

    Example:
        >>> from vaekit.networks import Codebook
        >>> book = Grouped([Codebook(64, 4), Codebook(64, 4)])
        >>> book.width, book(torch.zeros(5, 49, 8))[1].shape
        (8, torch.Size([5, 49, 2]))
    """

    cites: ClassVar[tuple[str, ...]] = ("jegou2011",)

    def __init__(self, books: Sequence[Quantizer]) -> None:
        super().__init__()
        self.books: Any = nn.ModuleList(books)
        self.size, self.widths = common_size(books), [book.width for book in books]
        self.width, self.shape = sum(self.widths), (len(books), *books[0].shape)
        self.axis = -len(self.shape)  # of the groups among the indices

    def _each(self, hook: str, x: Tensor) -> list[Any]:
        parts = x.split(self.widths, -1)
        return [getattr(book, hook)(part) for book, part in zip(self.books, parts, strict=True)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        vectors, indices = zip(*self._each("__call__", x), strict=True)
        return torch.cat(vectors, -1), torch.stack(indices, self.axis)

    def project(self, x: Tensor) -> Tensor:
        return torch.cat(self._each("project", x), -1)

    def nearest(self, x: Tensor) -> Tensor:
        return torch.stack(self._each("nearest", x), self.axis)

    def lookup(self, indices: Tensor) -> Tensor:
        chosen = indices.unbind(self.axis)
        return torch.cat([book.lookup(one) for book, one in zip(self.books, chosen, strict=True)], -1)

    def stages(self, vectors: Tensor, indices: Tensor) -> tuple[Tensor, ...]:
        parts = zip(self.books, vectors.split(self.widths, -1), indices.unbind(self.axis), strict=True)
        return tuple(torch.cat(stage, -1) for stage in zip(*(b.stages(v, i) for b, v, i in parts), strict=True))

    def member(self, x: Tensor) -> Tensor:
        return torch.stack(self._each("member", x)).all(0)

    def start(self, x: Tensor) -> None:
        self._each("start", x)


def start_in_turn(books: Iterable[Quantizer], x: Tensor) -> None:
    """Begin each of several codebooks with what those before it leave of vectors (M, D)."""
    for book in books:
        book.start(x)
        x = x - book.lookup(book.nearest(x)).detach()


def common_size(books: Sequence[Quantizer]) -> int:
    """How many values each index has; quantisers that differ in it, or in their indices' shape, are refused."""
    if len({(book.size, book.shape) for book in books}) != 1:
        sizes = ", ".join(str(book.size) for book in books) or "none"
        raise Mistake(f"got quantisers of the sizes {sizes} and wanted at least one, all of one size.")
    return books[0].size
