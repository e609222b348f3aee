r"""Transforms between the user's units and the model's, with the log-Jacobian that densities need.

.. math:: \log p(x) = \log p_T(T(x)) + \log |dT/dx|
"""

from __future__ import annotations

__all__ = ["Levels", "Rescale", "Standardize", "Transform", "log_jacobian"]

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from vaekit.part import Part

ROUNDING = 1e-13  # of the mean: what sums in float64 leave between numbers that are meant to be equal


class Transform(Part):
    """Elementwise and affine: model = (x - shift) * factor.

    A transform of discrete data relabels its levels: probabilities stay, and the log-Jacobian is 0. Shift and factor
    are float64 whatever the model's type, since the user's units may be tiny or far from 0.
    """

    discrete: bool = False
    shift: Tensor
    factor: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.dtype = torch.get_default_dtype()  # the model's; follows .to() and .double()

    def forward(self, x: Tensor) -> Tensor:
        """(*leading, *X) in the user's units -> the model's, in the model's floating type."""
        wide = self.dtype if x.dtype == torch.uint8 else self.factor.dtype  # bytes lose nothing
        return ((x.to(wide) - self.shift.to(wide)) * self.factor.to(wide)).to(self.dtype)

    def inverse(self, x: Tensor) -> Tensor:
        """(*leading, *X) in the model's units -> the user's, in the floating type of x."""
        return self._inverse(x).to(x.dtype)

    def _inverse(self, x: Tensor) -> Tensor:
        return x.to(self.factor.dtype) / self.factor + self.shift

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Transform:
        """Moved with the model, but not narrowed, except to devices without float64."""
        like = fn(torch.empty(0, dtype=self.dtype, device=self.factor.device))
        self.dtype = like.dtype
        wide = torch.float32 if like.device.type == "mps" else torch.float64

        def moved(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return fn(tensor)
            there = fn(tensor.to(wide))
            return there if there.dtype == wide else tensor.to(there.device, wide)

        super()._apply(moved, recurse)  # type: ignore[no-untyped-call]
        return self

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
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64))
        self.register_buffer("shift", torch.tensor(-low / factor, dtype=torch.float64))


class Rescale(Levels):
    """The same map for densities: the values count as real numbers, so that the Jacobian counts."""

    discrete = False


class Standardize(Transform):
    """Mean 0 and variance 1, fitted to the training data; constant features keep their scale.

    Constant is what differs by no more than float64 rounds, whatever its unit.

    Args:
        shape: the shape of one item.
        per_feature: one scale for each feature (tables) or one for all (pictures, vectors of like quantities).
        wide: whether values in the user's units come back as float64, for data that came so.

    Example:
        >>> t = Standardize((2,), per_feature=True)
        >>> t.before_fit(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), {}, 2)
        >>> t(torch.tensor([[2.0, 5.0]]))
        tensor([[1., 0.]])
    """

    def __init__(self, shape: Sequence[int], *, per_feature: bool = False, wide: bool = False) -> None:
        super().__init__()
        self.per_feature, self.wide = per_feature, wide
        self.register_buffer("shift", torch.zeros(tuple(shape), dtype=torch.float64))
        self.register_buffer("factor", torch.ones(tuple(shape), dtype=torch.float64))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        x = x.to(self.factor.dtype)
        missing = x.isnan()
        low, high = x.masked_fill(missing, torch.inf).amin(0), x.masked_fill(missing, -torch.inf).amax(0)  # (*X)
        span = torch.where(high > low, high - low, 1.0)
        share = (x - low) / span  # (B, *X) in [0, 1], so that no square overflows or vanishes
        mean = low + span * share.nanmean(0)
        spread = span * (share - share.nanmean(0)).square().nanmean(0).sqrt()
        spread = spread.masked_fill(spread <= ROUNDING * mean.abs(), 0.0)
        smallest = torch.finfo(x.dtype).tiny
        if not self.per_feature:
            top = spread.nan_to_num(0.0).amax().clamp(min=smallest)
            spread = (top * (spread / top).square().nanmean().sqrt()).expand_as(spread)
        self.shift.copy_(mean.nan_to_num(0.0))
        self.factor.copy_(torch.where(spread > smallest, spread, 1.0).reciprocal())

    def inverse(self, x: Tensor) -> Tensor:
        """(*leading, *X) in the model's units -> the user's; float64 where `wide`, else in the floating type of x."""
        return self._inverse(x) if self.wide else super().inverse(x)


def log_jacobian(transform: Transform, shape: Sequence[int]) -> float:
    """The log-Jacobian of one whole item, in nats.

    Example:
        >>> round(log_jacobian(Standardize((3,)), (3,)), 3)
        0.0
    """
    each = transform.log_jacobian_each()  # a number, or one for each element
    return float(each.double().sum()) * (1 if each.ndim else math.prod(shape))
