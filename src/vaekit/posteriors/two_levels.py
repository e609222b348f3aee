r"""TwoLevelQuantized: a coarse map of codes, and a fine map of codes that know it.

.. math:: e_1 = Q_1(f_1(x)), \quad e_2 = Q_2(f_2(x, e_1))
"""

from __future__ import annotations

__all__ = ["TwoLevelQuantized"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.networks import Head, features_of
from vaekit.networks.levels import ByPlace, over
from vaekit.posteriors.quantized import AnyQuantized


class TwoLevelQuantized(AnyQuantized):
    """q(z|x) = 1 for the codes of two maps, the fine one's found given the coarse one's.

    Razavi, van den Oord and Vinyals 2019 (VQ-VAE-2, arXiv:1906.00446).

    Args:
        net: from pictures (B, *X) and the context it reads to features of the fine map's size, (C, h, w).
        above: from these features to those of the coarse map's size, (C', H', W').
        codebook: for the places of the coarse map, and then for those of the fine one.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context that net wants.

    Latents are the vectors of the coarse map's places and then of the fine one's.
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017", "razavi2019vq")

    def __init__(
        self,
        net: nn.Module,
        above: nn.Module,
        codebook: ByPlace,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(codebook, sum(codebook.counts), reads=reads)
        self.net, self.above = net, above
        low, top = features_of(net, features), features_of(above, None)
        self.coarse, self.fine = (codebook.width, *top[1:]), (codebook.width, *low[1:])
        self.head = Head(top, self.coarse)
        self.fine_head = Head((low[0] + codebook.width, *low[1:]), self.fine)

    def forward(self, *given: Tensor | None) -> distributions.Codes:
        coarse_book, fine_book = self.codebook.books
        seen = self.net(*given)
        first = coarse_book.project(self.head(self.above(seen))[0].flatten(2).mT)  # (B, N', D)
        vectors, indices = coarse_book(first)
        laid = over(self.transport(vectors, first), self.coarse, self.fine)
        second = fine_book.project(self.fine_head(torch.cat([seen, laid], 1))[0].flatten(2).mT)
        more, more_indices = fine_book(second)
        return distributions.Codes(
            torch.cat([first, second], 1), torch.cat([vectors, more], 1), torch.cat([indices, more_indices], 1),
            self.codebook.size, transport=self.transport,
        )  # fmt: skip

    def encoded(self, *given: Tensor | None) -> Tensor:
        return self(*given).encoded

    def begin(self, found: Tensor) -> None:
        self.codebook.start(found.unflatten(0, (-1, sum(self.codebook.counts))))
