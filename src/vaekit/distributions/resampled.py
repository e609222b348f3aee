r"""Draws of a simple distribution that are kept with a learned probability (Bauer and Mnih 2019, arXiv:1810.11428).

.. math:: p(z) = (1 - r)\, \frac{\pi(z)\, a(z)}{Z} + r\, \pi(z), \qquad Z = E_\pi[a(z)], \qquad r = (1 - Z)^{T - 1}

with at most T tries, the last of which is kept whatever it is.
"""

from __future__ import annotations

__all__ = ["Resampled"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

SMALLEST = 1e-7  # how near to 1 the rate of acceptance may come


class Resampled(Distribution):
    """What T tries of a distribution leave where each draw is kept with probability a(z).

    Args:
        base: pi, without a batch.
        log_accept: values (*leading, D) -> log a(z), (*leading), 0 or less.
        log_rate: log Z.
        tries: T.
    """

    arg_constraints = {}

    def __init__(self, base: Any, log_accept: Callable[[Tensor], Tensor], log_rate: Tensor, tries: int) -> None:
        self.base, self.log_accept, self.tries = base, log_accept, tries
        self.log_rate = log_rate.clamp_max(-SMALLEST)
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        log_last = ((self.tries - 1) * torch.log1p(-self.log_rate.exp())).clamp_max(-SMALLEST)  # of r
        log_first = torch.log(-torch.expm1(log_last))  # of 1 - r
        kept = log_first + self.log_accept(value) - self.log_rate
        found: Tensor = self.base.log_prob(value) + torch.logaddexp(kept, log_last)
        return found

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            z: Tensor = self.base.sample(torch.Size(sample_shape))
            left = torch.ones(z.shape[:-1], dtype=torch.bool, device=z.device)
            for _ in range(self.tries - 1):
                left = left & (torch.rand_like(z[..., 0]).log() > self.log_accept(z))
                if not bool(left.any()):
                    break
                z = torch.where(left.unsqueeze(-1), self.base.sample(torch.Size(sample_shape)), z)
            return z
