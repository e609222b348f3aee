"""Priors of codes: all rows of them equally likely, and rows learned place after place."""

from __future__ import annotations

__all__ = ["AutoregressiveCodes", "PixelCodes", "UniformCodes"]

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.networks import CausalTransformer, PixelCNN, Quantizer
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
    model by `vk.fit_prior` (van den Oord et al. 2017, arXiv:1711.00937, fit a PixelCNN: `PixelCodes`); what it costs is
    the rate.

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
        self._over(codebook, places)
        rows = places * math.prod(codebook.shape)
        self.net: Any = CausalTransformer(codebook.size, rows, width=width, heads=heads, layers=layers)

    def _over(self, codebook: Quantizer, places: int) -> None:
        if not codebook.legible:
            raise Mistake(
                f"the vectors of {type(codebook).__name__} do not tell their indices: train a model with one code a "
                "place, such as the recipe 'vq_vae', or with several side by side, 'grouped_vq_vae'."
            )
        self.codebook, self.places = codebook, places
        self.latent_shape = (places * codebook.width,)

    def forward(self, *given: Tensor | None) -> distributions.AutoregressiveCodes:
        return distributions.AutoregressiveCodes(self.net, self.codebook, self.places)

    def lost(self, z: Tensor, *given: Tensor | None) -> Tensor:
        p = self()
        return -p.log_prob_indices(p.indices_of(z))


class PixelCodes(AutoregressiveCodes):
    """p(z) = the product over places of p(code | the codes above and to the left), by a PixelCNN (van den Oord et al.
    2016, arXiv:1601.06759): for maps of codes, where those nearby tell most.

    To score a map takes one pass, whose cost grows with the places and not with their square as a Transformer's does; a
    draw takes a pass for each place.

    Args:
        codebook: the posterior's own, with one code a place.
        places: (h, w) of the map, a posterior's `places`.
        width, layers, size: of the PixelCNN.

    Example:
        >>> from vaekit.networks import Codebook
        >>> prior = PixelCodes(Codebook(16, 4), (3, 2), width=8, layers=1)
        >>> prior().sample((2,)).shape
        torch.Size([2, 24])
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017", "oord2016")

    def __init__(
        self, codebook: Quantizer, places: Sequence[int], *, width: int = 64, layers: int = 5, size: int = 5
    ) -> None:
        Prior.__init__(self)
        if len(tuple(places)) != 2 or codebook.shape:
            raise Mistake(
                f"got places={tuple(places)} with indices of shape {codebook.shape} each and wanted a map, (h, w), "
                "with one code a place: take vk.priors.AutoregressiveCodes."
            )
        self._over(codebook, math.prod(places))
        self.net = PixelCNN(codebook.size, places, width=width, layers=layers, size=size)
