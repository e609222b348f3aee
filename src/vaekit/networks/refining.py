"""RefiningCodes: several codes a place, kept side by side, whose sum is what a decoder sees."""

from __future__ import annotations

__all__ = ["RefiningCodes", "SummedCodes"]

from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake, require_count
from vaekit.networks.codebook import Codebook
from vaekit.networks.head import features_of
from vaekit.networks.several import Grouped, start_in_turn
from vaekit.part import Part


class RefiningCodes(Grouped):
    r"""L codebooks for one vector of D numbers, from coarse to fine; the decoder sees the sum of the L codes.

    .. math:: z = \sum_{l \le L} e_l

    A code is the L vectors side by side, L * D numbers, which tell their indices as the sum would not. Hosking, Tang
    and Lapata 2022 (HRQ-VAE, arXiv:2203.03463).

    Args:
        size: K, the vectors of each codebook.
        width: D.
        depth: L.
        dropout: the chance that a path ends before a level that it would reach, in training.

    Example:
        >>> book = RefiningCodes(64, 8, 3)
        >>> book.width, book.outside, book.lookup(torch.zeros(5, 3, dtype=torch.long)).shape
        (24, 8, torch.Size([5, 24]))
    """

    cites: ClassVar[tuple[str, ...]] = ("hosking2022",)

    def __init__(self, size: int, width: int, depth: int = 3, *, dropout: float = 0.0) -> None:
        super().__init__([Codebook(size, width, decay=None) for _ in range(require_count("depth", depth))])
        if not 0 <= dropout < 1:
            raise Mistake(f"got dropout={dropout!r} and wanted a chance in [0, 1).")
        self.dropout = dropout

    @property
    def outside(self) -> int:
        found: int = self.books[0].width
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raise Mistake("RefiningCodes are drawn level by level: give posterior=vk.posteriors.PathQuantized.")

    def project(self, x: Tensor) -> Tensor:
        return x

    def table(self) -> Tensor:
        """The vectors of all levels, (L, K, D)."""
        return torch.stack([book.table() for book in self.books])

    def exact(self, x: Tensor) -> Tensor:
        """The indices (*, L) of vectors that are each in its level's table, (*, L, D); of others, any."""
        return torch.stack([book.exact(part) for book, part in zip(self.books, x.unbind(-2), strict=True)], -1)

    def start(self, x: Tensor) -> None:
        """Begin each level with k-means centres of what the levels before it leave of vectors (M, D)."""
        start_in_turn(self.books, x)

    def entered(self, decoder: nn.Module) -> nn.Module:
        return SummedCodes(decoder, len(self.books), self.outside)


class SummedCodes(Part):
    """A decoder behind the sum of several codes a place (Hosking, Tang and Lapata 2022, arXiv:2203.03463).

    Args:
        net: the decoder, from (*leading, N * D).
        levels: L.
        width: D.
        features: the shape of one output of net; asked of `net.features` where it has one.

    Forward: z (*leading, N * L * D), each place's levels one after the other -> what net gives.

    Example:
        >>> SummedCodes(nn.Identity(), 2, 1, features=(2,))(torch.tensor([[1.0, 0.1, 2.0, 0.2]]))
        tensor([[1.1000, 2.2000]])
    """

    cites: ClassVar[tuple[str, ...]] = ("hosking2022",)

    def __init__(self, net: nn.Module, levels: int, width: int, *, features: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.net, self.levels, self.width = net, levels, width
        self.features = features_of(net, features)

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(z.unflatten(-1, (-1, self.levels, self.width)).sum(-2).flatten(-2), *given)
        return out
