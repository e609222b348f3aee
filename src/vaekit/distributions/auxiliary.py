r"""A distribution made richer by an auxiliary variable that is drawn first and integrated out.

.. math:: \log \tilde q = \log q(a) + \log q(z|a) - \log r(a|z), \qquad
          E[p(z) / \tilde q] = 1 \text{ for any density } r

Auxiliary Deep Generative Models: Maaløe, Sønderby, Sønderby and Winther 2016, arXiv:1602.05473.
"""

from __future__ import annotations

__all__ = ["Auxiliary"]

from collections.abc import Callable
from typing import Any

from torch import Size, Tensor
from torch.distributions import Distribution

from vaekit.distributions.chained import Chained
from vaekit.messages import Mistake


class Auxiliary(Chained):
    """z ~ q(z|a) with a ~ q(a), whose density over z alone has no formula: it scores its own last draw only.

    Args:
        first: q(a), a diagonal Gaussian, batch (B,).
        then: a (*leading, B, A) -> q(z|a), batch (*leading, B).
        back: z (*leading, B, D) -> r(a|z), batch (*leading, B).
        width: D.

    `a`, `given` and moments are those of `Chained`, and a value is z.

    Example:
        >>> import torch
        >>> from vaekit.distributions import DiagonalGaussian
        >>> first = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = Auxiliary(first, lambda a: DiagonalGaussian(a, a), lambda z: DiagonalGaussian(z, 0 * z), 2)
        >>> q.log_prob(q.rsample((4,))).shape
        torch.Size([4, 5])
    """

    def __init__(self, first: Any, then: Callable[[Tensor], Any], back: Callable[[Tensor], Any], width: int) -> None:
        super().__init__(first, then, width)
        self.back = back
        self._event_shape = Size((width,))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        self._drawn = z = self._second(sample_shape)
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        if self._drawn is None or value is not self._drawn:
            raise Mistake(
                "a posterior with an auxiliary variable scores its own last draws only, with the variable that led to "
                "them: use importance sampling and bounds such as ELBO and IWAE."
            )
        score: Tensor = self.first.log_prob(self.a) + self.given.log_prob(value) - self.back(value).log_prob(self.a)
        return score

    def frozen(self) -> Distribution:
        raise Mistake("a posterior with an auxiliary variable has no score apart from its draws: use ELBO or IWAE.")

    def tempered(self, temperature: float) -> Auxiliary:
        """The same with q(a) and q(z|a) tempered; any r will do."""
        first = self.first.tempered(temperature)
        return Auxiliary(first, lambda a: self.then(a).tempered(temperature), self.back, self.sizes[-1])

    @property
    def mean(self) -> Tensor:
        return self._moments()[0]

    @property
    def variance(self) -> Tensor:
        return self._moments()[1]
