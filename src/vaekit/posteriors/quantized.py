"""Quantized: the vectors of a codebook that are nearest to the encoder's output."""

from __future__ import annotations

__all__ = ["Quantized"]

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.conditional import pick
from vaekit.networks import Codebook, Head, features_of
from vaekit.posteriors.base import AnyPosterior

STARTED_FROM, CHUNK = 2048, 256  # training items that the codebook starts from, and how many at a time


class Quantized(AnyPosterior):
    """q(z|x) = 1 for the N vectors of a codebook that are nearest to f(x), place by place.

    Args:
        net: any module from x (B, *X) and the context it reads to features.
        codebook: its vectors have D numbers.
        places: N, or the height and width of a picture's map of places, which the net's features then have too.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context that net wants.

    Latents are the vectors of the places, one after the other: N * D numbers.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = Quantized(MLP(784, [64]), Codebook(512, 4), 8)(torch.zeros(5, 784))
        >>> q.indices.shape, q.mean.shape
        (torch.Size([5, 8]), torch.Size([5, 32]))
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(
        self,
        net: nn.Module,
        codebook: Codebook,
        places: Sequence[int] | int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.net, self.codebook, self.reads = net, codebook, tuple(reads)
        self.places = (places,) if isinstance(places, int) else tuple(places)
        self.head = Head(features_of(net, features), (codebook.width, *self.places))
        self.latent_shape = (math.prod(self.places) * codebook.width,)

    def encoded(self, *given: Tensor | None) -> Tensor:
        """f(x), (B, N, D)."""
        out: Tensor = self.head(self.net(*given))[0]  # (B, D, *places)
        return out.flatten(2).mT

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with the k-means centres of some items' codes."""
        stride = -(-len(x) // STARTED_FROM)
        some = [part[::stride] for part in (x, *pick(self, y)) if part is not None]
        with torch.no_grad():
            chunks = zip(*(part.split(CHUNK) for part in some), strict=True)
            found = torch.cat([self.encoded(*chunk).flatten(0, 1) for chunk in chunks])
        if bool(found.isfinite().all()):
            self.codebook.start(found[:: -(-len(found) // (32 * self.codebook.size))])

    def forward(self, *given: Tensor | None) -> distributions.Codes:
        encoded = self.encoded(*given)
        vectors, indices = self.codebook(encoded)
        return distributions.Codes(encoded, vectors, indices, self.codebook.size)
