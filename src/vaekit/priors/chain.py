r"""A prior that no factorised posterior can meet, so that some nats of rate are always paid.

.. math:: \delta = \tfrac{C}{2} \bigl( (T - 2) \log(1 + \alpha^2) - \log(1 - \alpha^2) \bigr)
"""

from __future__ import annotations

__all__ = ["Autoregressive", "committed_rate"]

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.priors.base import Prior

HALVINGS = 200  # of the interval that holds alpha: more than float64 has digits


class Autoregressive(Prior):
    """p(z) = a first-order autoregression of T steps whose rate against independent latents is at least delta.

    Razavi et al. 2019 (delta-VAE), arXiv:1901.03416: the least KL of a factorised Gaussian to it, met by one only.

    Args:
        steps: T, 2 or more.
        channels: C; latents are the C channels of the steps, one step after the other.
        rate: delta, nats, above 0.

    Example:
        >>> prior = Autoregressive(32, 1, rate=5.0)
        >>> round(prior.correlation, 4), prior().sample((2,)).shape
        (0.6115, torch.Size([2, 32]))
    """

    cites: ClassVar[tuple[str, ...]] = ("razavi2019",)

    def __init__(self, steps: int, channels: int = 1, *, rate: float) -> None:
        super().__init__()
        if require_count("steps", steps) < 2:
            raise Mistake(f"got steps={steps} and wanted 2 or more: one step has nothing to be correlated with.")
        if not 0 < rate < math.inf:
            raise Mistake(f"got rate={rate!r} and wanted the nats that are always paid, above 0.")
        self.latent_shape = (steps * require_count("channels", channels),)
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if committed_rate(steps, channels, middle) < rate else (low, middle)
        if high >= 1 - 1e-6:
            raise Mistake(f"got rate={rate} and {steps * channels} latents cannot be held to it: ask for less.")
        self.correlation = 0.5 * (low + high)
        self.register_buffer("zeros", torch.zeros(steps, channels))
        self.zeros: Tensor

    def forward(self, *given: Tensor | None) -> distributions.GaussianChain:
        return distributions.GaussianChain(self.zeros, self.correlation)


def committed_rate(steps: int, channels: int, correlation: float) -> float:
    """The least KL, in nats, of a factorised Gaussian to an autoregression with this correlation.

    Example:
        >>> committed_rate(2, 1, 0.0)
        0.0
    """
    square = correlation**2
    if square >= 1:
        return math.inf
    return 0.5 * channels * ((steps - 2) * math.log1p(square) - math.log1p(-square))
