r"""A distribution made richer by an auxiliary variable that is drawn first and integrated out.

.. math:: \log \tilde q = \log q(a) + \log q(z|a) - \log r(a|z), \qquad
          E[p(z) / \tilde q] = 1 \text{ for any density } r

Auxiliary Deep Generative Models: Maaløe, Sønderby, Sønderby and Winther 2016, arXiv:1602.05473.
"""

from __future__ import annotations

__all__ = ["Auxiliary"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.messages import Mistake
from vaekit.noise import forked

PAIRS, SEED = 16, 0  # of opposite noise, that moments are taken from


class Auxiliary(Distribution):
    """z ~ q(z|a) with a ~ q(a), whose density over z has no formula: it scores its own last draw only.

    `mean`, `variance` and `probs` are averages over 32 draws of a from noise that is always the same.

    Args:
        first: q(a), a diagonal Gaussian, batch (B,).
        then: a (*leading, B, A) -> q(z|a), batch (*leading, B).
        back: z (*leading, B, D) -> r(a|z), batch (*leading, B).
        width: D.

    Attributes:
        a: its last draw, (*shape, B, A); its mean before there is one.
        given: q(z|a) there.

    Example:
        >>> from vaekit.distributions import DiagonalGaussian
        >>> first = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = Auxiliary(first, lambda a: DiagonalGaussian(a, a), lambda z: DiagonalGaussian(z, 0 * z), 2)
        >>> q.log_prob(q.rsample((4,))).shape
        torch.Size([4, 5])
    """

    arg_constraints = {}

    def __init__(self, first: Any, then: Callable[[Tensor], Any], back: Callable[[Tensor], Any], width: int) -> None:
        self.first, self.then, self.back = first, then, back
        self.a: Tensor = first.loc
        self._given: Any = None
        self._drawn: Tensor | None = None
        super().__init__(first.batch_shape, torch.Size((width,)), validate_args=False)

    @property
    def given(self) -> Any:
        if self._given is None:
            self._given = self.then(self.a)
        return self._given

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether a gradient passes through all of z; it does through a."""
        return bool(self.given.has_rsample)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        self.a = self.first.rsample(tuple(sample_shape))
        self._given = self.then(self.a)
        self._drawn = z = self.given.rsample()
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

    def _some(self) -> Any:
        """q(z|a) at the same 32 places of a, batch (32, B)."""
        loc = self.first.loc
        with forked(SEED, loc.device):
            noise = torch.randn((PAIRS, 1, loc.shape[-1]), dtype=loc.dtype, device=loc.device)
        return self.then(self.first.from_noise(torch.cat([noise, -noise])))

    @property
    def mean(self) -> Tensor:
        mean: Tensor = self._some().mean.mean(0)
        return mean

    @property
    def variance(self) -> Tensor:
        some = self._some()
        variance: Tensor = some.variance.mean(0) + some.mean.var(0, correction=0)
        return variance

    @property
    def probs(self) -> Tensor:
        """The probability of each class where z holds one, (B, C)."""
        probs: Tensor = self._some().probs.mean(0)
        return probs
