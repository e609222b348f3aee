"""OwnDraws: the base of distributions whose density is known along the way to a draw, and not at other values."""

from __future__ import annotations

__all__ = ["OwnDraws"]

from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution

from vaekit.messages import Mistake


class OwnDraws(Distribution):
    """It scores its own last draw only; the mean of p(x, z) over that score's exponential is p(x).

    Attributes:
        called: the posterior's name in messages.
        beside: what a draw comes with, and its score needs.
    """

    arg_constraints = {}
    has_rsample = True
    called: ClassVar[str]
    beside: ClassVar[str]
    _drawn: tuple[Tensor, Tensor] | None = None  # the last draw and its score

    def log_prob(self, value: Tensor) -> Tensor:
        if self._drawn is None or value is not self._drawn[0]:
            raise Mistake(
                f"{self.called} posterior scores its own last draws only, with the {self.beside}: "
                "use importance sampling and bounds such as ELBO and IWAE."
            )
        return self._drawn[1]
