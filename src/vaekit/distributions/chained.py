r"""Two vectors, one of which decides the other's distribution.

.. math:: \log q(a, z) = \log q(a) + \log q(z|a)
"""

from __future__ import annotations

__all__ = ["Chained"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.messages import Mistake
from vaekit.noise import forked

PAIRS, SEED = 16, 0  # of opposite noise, that moments are taken from


class Chained(Distribution):
    """a ~ q(a) and z ~ q(z|a), a value the two side by side.

    Moments of z and `probs` are averages over 32 draws of a from noise that is always the same.

    Args:
        first: q(a) with `from_noise`, batch () or (B,).
        then: a (*leading, A) -> q(z|a), batch (*leading,).
        width: of z.
        turned: whether a value is z and then a; else a and then z.

    Attributes:
        a: its last draw, (*shape, *batch, A); its mean before there is one.
        given: q(z|a) there.

    Example:
        >>> from vaekit.distributions import DiagonalGaussian
        >>> first = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = Chained(first, lambda a: DiagonalGaussian(a, a), 2)
        >>> q.rsample((4,)).shape, q.log_prob(torch.zeros(5, 4))[0]
        (torch.Size([4, 5, 4]), tensor(-3.6758))
    """

    arg_constraints = {}

    def __init__(self, first: Any, then: Callable[[Tensor], Any], width: int, *, turned: bool = False) -> None:
        self.first, self.then, self.turned = first, then, turned
        self.sizes = [width, *first.event_shape] if turned else [*first.event_shape, width]
        self.a: Tensor = first.mean
        self._given: Any = None
        self._drawn: Tensor | None = None
        super().__init__(first.batch_shape, torch.Size((sum(self.sizes),)), validate_args=False)

    @property
    def given(self) -> Any:
        if self._given is None:
            self._given = self.then(self.a)
        return self._given

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether a gradient passes through all of a value."""
        return bool(self.first.has_rsample and self.given.has_rsample)

    def _second(self, sample_shape: tuple[int, ...]) -> Tensor:
        """A draw of z, that of a kept."""
        self.a = self.first.rsample(tuple(sample_shape))
        self._given = self.then(self.a)
        z: Tensor = self._given.rsample()
        return z

    def _joined(self, a: Tensor, z: Tensor) -> Tensor:
        return torch.cat([z, a] if self.turned else [a, z], -1)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        z = self._second(sample_shape)
        self._drawn = value = self._joined(self.a, z)
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        parts = value.split(self.sizes, -1)
        a, z = reversed(parts) if self.turned else parts
        a = a.expand(*torch.broadcast_shapes(a.shape[:-1], self.batch_shape), -1)
        given = self.given if value is self._drawn else self.then(a)
        score: Tensor = self.first.log_prob(a) + given.log_prob(z)
        return score

    def frozen(self) -> Distribution:
        raise Mistake(f"{type(self).__name__} holds networks, whose parameters move its draws: use ELBO or IWAE.")

    def tempered(self, temperature: float) -> Chained:
        """The same with both parts tempered."""
        width = self.sizes[0] if self.turned else self.sizes[1]
        first = self.first.tempered(temperature)
        return Chained(first, lambda a: self.then(a).tempered(temperature), width, turned=self.turned)

    def _some(self) -> Any:
        """q(z|a) at the same 32 places of a, batch (32, *batch)."""
        like = self.first.mean
        with forked(SEED, like.device):
            shape = (PAIRS, *[1] * len(self.batch_shape), like.shape[-1])
            noise = torch.randn(shape, dtype=like.dtype, device=like.device)
        return self.then(self.first.from_noise(torch.cat([noise, -noise])))

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Of z."""
        some = self._some()
        return some.mean.mean(0), some.variance.mean(0) + some.mean.var(0, correction=0)

    @property
    def mean(self) -> Tensor:
        return self._joined(self.first.mean, self._moments()[0])

    @property
    def variance(self) -> Tensor:
        return self._joined(self.first.variance, self._moments()[1])

    @property
    def probs(self) -> Tensor:
        """The probability of each class where z holds one, (B, C)."""
        probs: Tensor = self._some().probs.mean(0)
        return probs
