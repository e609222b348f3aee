r"""A posterior with an auxiliary variable, drawn first, that makes it richer than its family.

.. math:: q(z|x) = \int q(a|x)\, q(z|x, a)\, da, \qquad \text{scored by help of } p(a|x, z)
"""

from __future__ import annotations

__all__ = ["Auxiliary", "repeated"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.posteriors.base import AnyPosterior, Around
from vaekit.posteriors.gaussian import Gaussian


class Auxiliary(Around):
    """q(z|x) with a ~ q(a|x) behind it (Maaløe et al. 2016, arXiv:1602.05473); p(x, z) stays what it is.

    Args:
        first: q(a|x).
        then: q(z|x,a), which takes x, the context that it reads and a.
        back: p(a|x,z), a Gaussian whose network takes x and z.

    Example:
        >>> from vaekit.networks import MLP
        >>> first, then = Gaussian(MLP(4, [8]), 2), Gaussian(MLP(4, [8], context=2), 3)
        >>> q = Auxiliary(first, then, Gaussian(MLP(4, [8], context=3), 2))(torch.zeros(5, 4))
        >>> q.rsample((6,)).shape
        torch.Size([6, 5, 3])
    """

    cites: ClassVar[tuple[str, ...]] = ("maaloe2016",)
    leads: ClassVar[tuple[str, ...]] = ("before_fit",)

    def __init__(self, first: Gaussian, then: AnyPosterior, back: Gaussian) -> None:
        super().__init__()
        self.first, self.back = first, back
        self.then: Any = then
        self.latent_shape, self.reads, self.infers = then.latent_shape, then.reads, then.infers

    @property
    def inner(self) -> Any:
        return self.then

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with codes a as a Gaussian posterior's begin, and with scales of 1."""
        self.first.before_fit(x, y, n)
        for part in (self.then, self.back):
            part.head.start_at(1, torch.zeros(part.head.shape))

    def forward(self, *given: Tensor | None) -> distributions.Auxiliary:
        x, *fields = given
        assert x is not None

        def then(a: Tensor) -> Any:
            rows = [repeated(part, a) for part in (x, *fields)]
            return self.then(*rows, a.flatten(0, -2)).unfolded(a.shape[:-1])

        def back(z: Tensor) -> Any:
            return self.back(repeated(x, z), z.flatten(0, -2)).unfolded(z.shape[:-1])

        return distributions.Auxiliary(self.first(x), then, back, *self.latent_shape)


def repeated(part: Tensor | None, z: Tensor) -> Tensor | None:
    """(B, *X) as often as draws z (*leading, B, D) ask for it, a row each."""
    if part is None or z.ndim == 2:
        return part
    return part.expand(*z.shape[:-1], *part.shape[1:]).flatten(0, z.ndim - 2)
