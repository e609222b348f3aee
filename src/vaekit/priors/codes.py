"""Priors of codes: all rows of them equally likely, and rows learned place after place."""

from __future__ import annotations

__all__ = ["AutoregressiveCodes", "UniformCodes"]

import math
from typing import ClassVar

from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.networks import CausalTransformer, Quantizer
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


class AutoregressiveCodes(Prior):
    """p(z) = the product over places of p(code | the codes before), by a Transformer: fitted to a VQ-VAE.

    The places of a picture's map go from left to right, row after row; where a place has several codes, they follow
    one another. The prior is fitted to the codes of a trained
    model by `vk.fit_prior` (van den Oord et al. 2017, arXiv:1711.00937, fit a PixelCNN); what it costs is the rate.

    Args:
        codebook: the posterior's own.
        places: N.
        width, heads, layers: of the Transformer.

    Example:
        >>> from vaekit.networks import Codebook
        >>> prior = AutoregressiveCodes(Codebook(16, 4), 3, width=8, heads=2, layers=1)
        >>> prior().sample((2,)).shape
        torch.Size([2, 12])
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(self, codebook: Quantizer, places: int, *, width: int = 128, heads: int = 4, layers: int = 3) -> None:
        super().__init__()
        if not codebook.legible:
            raise Mistake(f"the vectors of {type(codebook).__name__} do not tell their indices: take another one.")
        self.codebook, self.places = codebook, places
        self.latent_shape = (places * codebook.width,)
        rows = places * math.prod(codebook.shape)
        self.net = CausalTransformer(codebook.size, rows, width=width, heads=heads, layers=layers)

    def forward(self, *given: Tensor | None) -> distributions.AutoregressiveCodes:
        return distributions.AutoregressiveCodes(self.net, self.codebook, self.places)

    def lost(self, z: Tensor, *given: Tensor | None) -> Tensor:
        p = self()
        return -p.log_prob_indices(p.indices_of(z))
