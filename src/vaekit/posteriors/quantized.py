"""Quantized: the vectors of a codebook that are nearest to the encoder's output."""

from __future__ import annotations

__all__ = ["AnyQuantized", "Quantized", "QuantizedRow", "Rotated", "StochasticallyQuantized"]

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.conditional import pick
from vaekit.maths import rotated, straight_through
from vaekit.messages import Mistake
from vaekit.networks import Head, Quantizer, VectorTable, features_of
from vaekit.posteriors.base import AnyPosterior

STARTED_FROM, CHUNK = 2048, 256  # training items that the codebook starts from, and how many at a time

LOG_VARIANCE = 20.0  # bounds of a log-variance, beyond which float32 has no distances left


class AnyQuantized(AnyPosterior):
    """The base of posteriors on the vectors of a codebook at N places.

    Args:
        codebook: vk.networks.Codebook or another quantiser; its vectors have D numbers.
        places: N, or the height and width of a map of places.
        reads: the fields of the context that the networks want.
    """

    transport = staticmethod(straight_through)

    def __init__(self, codebook: Quantizer, places: Sequence[int] | int, *, reads: Sequence[str] = ()) -> None:
        super().__init__()
        self.codebook: Any = codebook
        self.reads = tuple(reads)
        self.places = (places,) if isinstance(places, int) else tuple(places)
        self.latent_shape = (math.prod(self.places) * codebook.width,)

    def encoded(self, *given: Tensor | None) -> Tensor:
        """f(x) where the codebook's vectors are, (B, N, D)."""
        raise NotImplementedError

    def forward(self, *given: Tensor | None) -> distributions.Codes:
        encoded = self.encoded(*given)
        vectors, indices = self.codebook(encoded)
        stages = self.codebook.stages(vectors, indices)
        return distributions.Codes(
            encoded, vectors, indices, self.codebook.size, transport=self.transport, stages=stages
        )

    def vectors(self, indices: Any) -> Tensor:
        """The latents (n, N * D) of indices (n, *places, *shape), or with fewer axes in the same order.

        Raises:
            Mistake: for what is no whole number, has another shape, or is beyond the codebook.
        """
        book, given = self.codebook, torch.as_tensor(indices)
        one = (*self.places, *book.shape)
        if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
            raise Mistake(f"got indices of type {given.dtype} and wanted whole numbers from 0 to {book.size - 1}.")
        n = math.prod(self.places)
        if tuple(given.shape[1:]) not in (one, (n, *book.shape), (math.prod(one),)):
            wanted = ", ".join(map(str, one))
            raise Mistake(f"got indices of shape {tuple(given.shape)} and wanted (items, {wanted}).")
        other = given[(given < 0) | (given >= book.size)]
        if len(other):
            raise Mistake(f"got the index {int(other[0])} and the codebook has those from 0 to {book.size - 1}.")
        return book.lookup(given.long().reshape(-1, n, *book.shape)).flatten(1)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with the k-means centres of some items' codes."""
        stride = -(-len(x) // STARTED_FROM)
        some = [part[::stride] for part in (x, *pick(self, y)) if part is not None]
        with torch.no_grad():
            chunks = zip(*(part.split(CHUNK) for part in some), strict=True)
            found = torch.cat([self.encoded(*chunk).flatten(0, 1) for chunk in chunks])
        if bool(found.isfinite().all()):
            self.begin(found)

    def begin(self, found: Tensor) -> None:
        """Let the codebook begin at the outputs of some items, (M, D)."""
        self.codebook.start(found[:: -(-len(found) // (32 * self.codebook.size))])


class Quantized(AnyQuantized):
    """q(z|x) = 1 for the N vectors of a codebook that are nearest to f(x), place by place.

    Args:
        net: any module from x (B, *X) and the context it reads to features.
        codebook: vk.networks.Codebook or another quantiser; its vectors have D numbers.
        places: N, or the height and width of a picture's map of places, which the net's features then have too.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context that net wants.

    Latents are the vectors of the places, one after the other: N * D numbers.

    Example:
        >>> from vaekit.networks import MLP, Codebook
        >>> q = Quantized(MLP(784, [64]), Codebook(512, 4), 8)(torch.zeros(5, 784))
        >>> q.indices.shape, q.mean.shape
        (torch.Size([5, 8]), torch.Size([5, 32]))
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(
        self,
        net: nn.Module,
        codebook: Quantizer,
        places: Sequence[int] | int,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(codebook, places, reads=reads)
        self.net = net
        self.head = Head(features_of(net, features), (codebook.outside, *self.places))

    def encoded(self, *given: Tensor | None) -> Tensor:
        """f(x) where the codebook's vectors are, (B, N, D)."""
        out: Tensor = self.head(self.net(*given))[0]  # (B, D, *places)
        return self.codebook.project(out.flatten(2).mT)


class QuantizedRow(AnyQuantized):
    """q(z|x) = 1 for the N vectors of a codebook that are nearest to those of a network that gives a row of them.

    Each vector of the row is brought to the codebook's width by itself, by one linear layer. Yu et al. 2024
    (TiTok, arXiv:2406.07550).

    Args:
        net: any module from x (B, *X) and the context it reads to rows of vectors, (B, N, W).
        codebook: vk.networks.Codebook or another quantiser; its vectors have D numbers.
        features: (N, W); asked of `net.features` where it has one.
        reads: the fields of the context that net wants.

    Latents are the vectors of the row, one after the other: N * D numbers.

    Example:
        >>> from vaekit.networks import Codebook, TokenEncoder
        >>> net = TokenEncoder((8, 8), 6, width=8, heads=2, layers=1)
        >>> q = QuantizedRow(net, Codebook(512, 4))(torch.zeros(5, 8, 8))
        >>> q.indices.shape, q.mean.shape
        (torch.Size([5, 6]), torch.Size([5, 24]))
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017", "yu2024")

    def __init__(
        self,
        net: nn.Module,
        codebook: Quantizer,
        *,
        features: Sequence[int] | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        row = features_of(net, features)
        if len(row) != 2:
            raise Mistake(f"got features of shape {row} and wanted a row of vectors, (N, W): use Quantized.")
        super().__init__(codebook, row[0], reads=reads)
        self.net, self.head = net, Head(row[1:], (codebook.width,))

    def encoded(self, *given: Tensor | None) -> Tensor:
        """f(x) where the codebook's vectors are, (B, N, D)."""
        out: Tensor = self.head(self.net(*given))[0]
        return self.codebook.project(out)


class Rotated(Quantized):
    """Quantized, but for the decoder's gradient, which is turned and scaled as f(x) has to be to reach its vector.

    The gradient then depends on where in its cell f(x) is. Fifty et al. 2024, arXiv:2410.06424.

    Args:
        net, codebook, places, features, reads: as for `Quantized`.
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017", "fifty2024")
    transport = staticmethod(rotated)


class StochasticallyQuantized(Quantized):
    r"""Quantized, but for the choice of vectors, which is drawn: one near f(x) is likely, by a learned variance.

    .. math:: q(e_k|x) \propto \exp(-\|f(x) - e_k\|^2 / 2 \sigma^2)

    In training the draws are relaxed (Gumbel-softmax), in evaluation they are vectors of the codebook. They become
    certain by themselves as the model comes to fit. Takida et al. 2022 (SQ-VAE, arXiv:2205.07547).

    Args:
        net, places, features, reads: as for `Quantized`.
        codebook: a table that learns by gradient, such as Codebook(512, 16, decay=None).
        temperature: of the relaxation.
    """

    cites: ClassVar[tuple[str, ...]] = ("takida2022", "maddison2017")

    def __init__(
        self,
        net: nn.Module,
        codebook: VectorTable,
        places: Sequence[int] | int,
        *,
        temperature: float = 0.5,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        if not isinstance(codebook, VectorTable) or not list(codebook.parameters()):
            raise Mistake("StochasticallyQuantized moves its codebook by gradient: give Codebook(512, 16, decay=None).")
        super().__init__(net, codebook, places, features=features, reads=reads)
        self.temperature = temperature
        self.log_variance = nn.Parameter(torch.zeros(()))

    @torch.no_grad()
    def begin(self, found: Tensor) -> None:
        super().begin(found)
        gap = found - self.codebook.lookup(self.codebook.nearest(found))
        self.log_variance.copy_(gap.square().mean().log())

    def forward(self, *given: Tensor | None) -> distributions.SoftCodes:
        encoded, book = self.encoded(*given), self.codebook
        log_variance = self.log_variance.clamp(-LOG_VARIANCE, LOG_VARIANCE)
        if self.training:
            return distributions.RelaxedCodes(encoded, book.table(), log_variance, book.exact, self.temperature)
        return distributions.SoftCodes(encoded, book.table(), log_variance, book.exact)
