"""The prior of a codebook whose vectors are equally likely."""

from __future__ import annotations

__all__ = ["UniformCodes"]

from typing import ClassVar

from torch import Tensor

from vaekit import distributions
from vaekit.networks import Quantizer
from vaekit.priors.base import Prior


class UniformCodes(Prior):
    """p(z) = K^-N for N indices of a codebook of K vectors (van den Oord et al. 2017, arXiv:1711.00937).

    Args:
        codebook: the posterior's own, or another quantiser.
        places: N.

    Example:
        >>> from vaekit.networks import Codebook
        >>> prior = UniformCodes(Codebook(16, 4), 3)
        >>> prior().log_prob(prior().sample((2,)))
        tensor([-8.3178, -8.3178])
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(self, codebook: Quantizer, places: int) -> None:
        super().__init__()
        self.codebook, self.places = codebook, places
        self.latent_shape = (places * codebook.width,)

    def forward(self, *given: Tensor | None) -> distributions.UniformCodes:
        book = self.codebook
        return distributions.UniformCodes(self.places, book.size, book.lookup, book.width, book.member, book.shape)
