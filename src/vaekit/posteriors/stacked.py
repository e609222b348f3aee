r"""A posterior on top of another: latents inferred from the latents of a first stage.

.. math:: q(a, z|x) = q(a|x)\, q(z|a)
"""

from __future__ import annotations

__all__ = ["Skipping", "Stacked"]

from typing import Any, ClassVar

from torch import Tensor

from vaekit import distributions
from vaekit.posteriors.auxiliary import repeated
from vaekit.posteriors.base import AnyPosterior, Around
from vaekit.posteriors.gaussian import Gaussian


class Stacked(Around):
    """q(a|x) of a first stage and q(z|a) of a second, whose items are a (Kingma et al. 2014, arXiv:1406.5298).

    Args:
        first: q(a|x).
        then: q(z|a,y), of items (A,) and of the context that it reads.

    Latents are z and a behind it.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> q = Stacked(Gaussian(MLP(4, [8]), 3), Gaussian(MLP(3, [8]), 2))(torch.zeros(5, 4))
        >>> q.rsample().shape, q.log_prob(torch.zeros(5, 5)).shape
        (torch.Size([5, 5]), torch.Size([5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014b",)

    def __init__(self, first: Gaussian, then: AnyPosterior) -> None:
        super().__init__()
        self.first = first
        self.then: Any = then
        self.latent_shape = (then.latent_shape[0] + first.latent_shape[0],)
        self.reads, self.infers = then.reads, then.infers

    @property
    def inner(self) -> Any:
        return self.first

    def forward(self, *given: Tensor | None) -> distributions.Chained:
        x, *fields = given

        def then(a: Tensor) -> Any:
            rows = [repeated(field, a) for field in fields]
            return self.second(x, rows, a).unfolded(a.shape[:-1])

        return distributions.Chained(self.first(x), then, *self.then.latent_shape, turned=True)

    def second(self, x: Tensor | None, rows: list[Tensor | None], a: Tensor) -> Any:
        """q(z|a) of all draws of a, a row each; rows: the context of them."""
        return self.then(a.flatten(0, -2), *rows)


class Skipping(Stacked):
    """q(a|x) and q(z|x,a): the second stage sees x too (Maaløe et al. 2016, arXiv:1602.05473).

    Args:
        first: q(a|x).
        then: q(z|x,a,y), which takes x, the context that it reads and a.

    Latents are z and a behind it.
    """

    cites: ClassVar[tuple[str, ...]] = ("maaloe2016",)

    def second(self, x: Tensor | None, rows: list[Tensor | None], a: Tensor) -> Any:
        return self.then(repeated(x, a), *rows, a.flatten(0, -2))
