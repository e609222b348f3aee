"""PathQuantized: codes drawn level by level, each of what those before it left."""

from __future__ import annotations

__all__ = ["PathQuantized"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.networks import RefiningCodes
from vaekit.posteriors.quantized import LOG_VARIANCE, Quantized


class PathQuantized(Quantized):
    r"""q(i_1, ..., i_L|x) = the product over levels of q(i_l|x, i_1, ..., i_{l-1}), place by place.

    .. math:: q(i_l | x, i_{<l}) \propto \exp(-\|f(x) - \textstyle\sum_{m < l} e_m(i_m) - e_l(i_l)\|^2 / 2 \sigma_l^2)

    In training the draws are relaxed (Gumbel-softmax) and may end early (`codebook.dropout`), so that the first levels
    have to say alone as much as they can; in evaluation they are whole paths of codes. Hosking, Tang and Lapata 2022
    (HRQ-VAE, arXiv:2203.03463).

    Args:
        net, places, features, reads: as for `Quantized`.
        codebook: vk.networks.RefiningCodes.
        temperature: of the relaxation.

    Latents are the L vectors of each place, one place after the other: N * L * D numbers.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = PathQuantized(MLP(784, [64]), RefiningCodes(16, 4, 3), 8)(torch.zeros(5, 784))
        >>> q.indices.shape, q.sample().shape
        (torch.Size([5, 8, 3]), torch.Size([5, 96]))
    """

    cites: ClassVar[tuple[str, ...]] = ("hosking2022", "maddison2017")

    def __init__(
        self,
        net: nn.Module,
        codebook: RefiningCodes,
        places: Sequence[int] | int,
        *,
        temperature: float = 0.5,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        if not isinstance(codebook, RefiningCodes):
            raise Mistake(f"PathQuantized draws level by level and got {type(codebook).__name__}: give RefiningCodes.")
        super().__init__(net, codebook, places, features=features, reads=reads)
        self.temperature = temperature
        self.log_variance = nn.Parameter(torch.zeros(len(codebook.books)))

    @torch.no_grad()
    def begin(self, found: Tensor) -> None:
        super().begin(found)
        for level, book in enumerate(self.codebook.books):
            found = found - book.lookup(book.nearest(found))
            self.log_variance[level] = found.square().mean().log()

    def forward(self, *given: Tensor | None) -> distributions.SoftPaths:
        encoded, book = self.encoded(*given), self.codebook
        scored = (encoded, book.table(), self.log_variance.clamp(-LOG_VARIANCE, LOG_VARIANCE), book.exact)
        if self.training:
            return distributions.RelaxedPaths(*scored, self.temperature, book.dropout)
        return distributions.SoftPaths(*scored)

    def prefix(self, z: Tensor, levels: int) -> Tensor:
        """The latents (*leading, N * L * D) with the first so many levels kept: they decode to what these say alone.

        Raises:
            Mistake: for levels that are not there.
        """
        depth = len(self.codebook.books)
        if not 0 <= levels <= depth:
            raise Mistake(f"got levels={levels!r} and the codebook has {depth}: give a number from 0 to {depth}.")
        parts = z.unflatten(-1, (-1, depth, self.codebook.outside)).clone()
        parts[..., levels:, :] = 0
        return parts.flatten(-3)
