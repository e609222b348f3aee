r"""Transforms between the user's units and the model's, with the log-Jacobian that densities need.

.. math:: \log p(x) = \log p_T(T(x)) + \log |dT/dx|
"""

from __future__ import annotations

__all__ = ["Levels", "Rescale", "Standardize", "Transform", "log_jacobian"]

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vaekit.part import Part


class Transform(Part):
    """Elementwise and affine: model = (x - shift) * factor.

    A transform of discrete data relabels its levels: probabilities stay, and the log-Jacobian is 0.
    """

    discrete: bool = False
    shift: Tensor
    factor: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(*leading, *X) in the user's units -> the model's, in the model's floating type."""
        return (x.to(self.factor.dtype) - self.shift) * self.factor

    def inverse(self, x: Tensor) -> Tensor:
        """(*leading, *X) in the model's units -> the user's."""
        return x / self.factor + self.shift

    def log_jacobian_each(self) -> Tensor:
        """log |dT/dx| of each element, broadcastable to X."""
        return torch.zeros_like(self.factor) if self.discrete else self.factor.log()


class Levels(Transform):
    """Evenly spaced levels 0..top mapped onto [low, high]; discrete, so no Jacobian.

    Args:
        top: the largest level, 255 for 8-bit pixels.
        low: where 0 goes; 0 for Bernoulli, -1 for the discretised logistic.

    Example:
        >>> Levels(255, low=-1.0)(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """

    discrete = True

    def __init__(self, top: float = 255.0, *, low: float = 0.0) -> None:
        super().__init__()
        factor = (1.0 - low) / top
        self.register_buffer("factor", torch.tensor(factor))
        self.register_buffer("shift", torch.tensor(-low / factor))


class Rescale(Levels):
    """The same map for densities: the values count as real numbers, so that the Jacobian counts."""

    discrete = False


class Standardize(Transform):
    """Mean 0 and variance 1, fitted to the training data; constant features keep their scale.

    Args:
        shape: the shape of one item.
        per_feature: one scale for each feature (tables) or one for all (pictures, vectors of like quantities).

    Example:
        >>> t = Standardize((2,), per_feature=True)
        >>> t.before_fit(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), {}, 2)
        >>> t(torch.tensor([[2.0, 5.0]]))
        tensor([[1., 0.]])
    """

    def __init__(self, shape: Sequence[int], *, per_feature: bool = False) -> None:
        super().__init__()
        self.per_feature = per_feature
        self.register_buffer("shift", torch.zeros(tuple(shape)))
        self.register_buffer("factor", torch.ones(tuple(shape)))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        wide = x.to(torch.float64)
        mean = wide.nanmean(0)  # (*X)
        variance = (wide - mean).square().nanmean(0)
        if not self.per_feature:
            variance = variance.nanmean().expand_as(variance)
        scale = torch.where(variance > 1e-12 * (1 + mean.square()), variance, torch.ones_like(variance)).sqrt()
        self.shift.copy_(mean.nan_to_num(0.0))
        self.factor.copy_(scale.nan_to_num(1.0).reciprocal())


def log_jacobian(transform: Transform, shape: Sequence[int]) -> float:
    """The log-Jacobian of one whole item, in nats.

    Example:
        >>> round(log_jacobian(Standardize((3,)), (3,)), 3)
        0.0
    """
    each = transform.log_jacobian_each()  # a number, or one for each element
    return float(each.double().sum()) * (1 if each.ndim else math.prod(shape))
