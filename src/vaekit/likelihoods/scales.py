r"""The scale of a Gaussian likelihood: fixed, learned, one per dimension, optimal, or from the network.

.. math:: -\log N(x; f(z), cI) = \frac{1}{2c} \|x - f(z)\|^2 + \frac{D}{2} \log 2\pi c
"""

from __future__ import annotations

__all__ = ["FixedScale", "LearnedScale", "NetworkScale", "OptimalScale", "PerDimensionScale", "Scale"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.part import Part

SMALLEST = -6.0  # log-scale below which a pixel is fitted to more than its own rounding


class Scale(Part):
    """The base: `forward` returns a log-scale that broadcasts to (*leading, *X)."""

    from_network: ClassVar[bool] = False
    words: ClassVar[str]

    def build(self, shape: Sequence[int]) -> None:
        """Make what depends on the shape of an item."""

    def start_at(self, scale: Tensor) -> None:
        """Begin at the data's own standard deviation, (*X)."""

    def forward(self, extra: Tensor | None) -> Tensor:
        raise NotImplementedError


class FixedScale(Scale):
    """The variance c, the constant that balances reconstruction against the rate.

    Args:
        c: the variance in the model's units.

    Example:
        >>> FixedScale(c=0.25)(None).exp()
        tensor(0.5000)
    """

    words = "fixed variance"

    def __init__(self, c: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("log_scale", torch.tensor(0.5 * math.log(c)))
        self.log_scale: Tensor

    def forward(self, extra: Tensor | None) -> Tensor:
        return self.log_scale


class LearnedScale(Scale):
    """One scale for all elements, learned (Rybkin, Daniilidis and Levine 2021, arXiv:2006.13202)."""

    cites: ClassVar[tuple[str, ...]] = ("rybkin2021",)
    words = "one learned scale"

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def start_at(self, scale: Tensor) -> None:
        with torch.no_grad():
            self.log_scale.copy_(scale.square().mean().sqrt().log().clamp_min(SMALLEST))

    def forward(self, extra: Tensor | None) -> Tensor:
        return self.log_scale.clamp_min(SMALLEST)


class PerDimensionScale(Scale):
    """One learned scale for each element of the item."""

    words = "a learned scale per dimension"

    def build(self, shape: Sequence[int]) -> None:
        self.log_scale = nn.Parameter(torch.zeros(tuple(shape)))

    def start_at(self, scale: Tensor) -> None:
        with torch.no_grad():
            self.log_scale.copy_(scale.log().clamp_min(SMALLEST))

    def forward(self, extra: Tensor | None) -> Tensor:
        return self.log_scale.clamp_min(SMALLEST)


class NetworkScale(Scale):
    """A scale for each element of each item, from the network (Kingma and Welling 2014, appendix C.2)."""

    cites: ClassVar[tuple[str, ...]] = ("kingma2014",)
    from_network = True
    words = "scales from the network"

    def forward(self, extra: Tensor | None) -> Tensor:
        assert extra is not None
        return extra.clamp(SMALLEST, -SMALLEST)


class OptimalScale(Scale):
    """The scale that maximises the likelihood (Rybkin, Daniilidis and Levine 2021, arXiv:2006.13202, section 3.2).

    In training the batch's own root mean square error; in evaluation a running value, and after training the value
    over the whole training set, frozen: otherwise log p of an item would depend on its companions.
    """

    cites: ClassVar[tuple[str, ...]] = ("rybkin2021",)
    words = "the optimal scale"

    def __init__(self, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean_square", torch.ones(()))
        self.mean_square: Tensor

    def start_at(self, scale: Tensor) -> None:
        self.mean_square.copy_(scale.square().mean())

    def observe(self, error: Tensor) -> Tensor:
        """The batch-optimal log-scale from x - f(z), (*leading, *X), NaN where missing; moves the running value."""
        there = ~error.isnan()
        total = torch.where(there, error, torch.zeros_like(error)).square().sum()  # filled first: gradients stay finite
        square = total / there.sum().clamp_min(1)
        with torch.no_grad():
            self.mean_square.lerp_(square.detach(), self.momentum)
        return (0.5 * square.clamp_min(math.exp(2 * SMALLEST)).log()).clamp_min(SMALLEST)

    def forward(self, extra: Tensor | None) -> Tensor:
        return 0.5 * self.mean_square.log().clamp_min(2 * SMALLEST)
