"""Small tensor operations that several floors need."""

from __future__ import annotations

__all__ = ["straight_through", "sum_event"]

from torch import Tensor


def sum_event(values: Tensor, event_dims: int) -> Tensor:
    """Sum over the last `event_dims` axes.

    Example:
        >>> import torch
        >>> sum_event(torch.ones(5, 2, 3), 2)
        tensor([6., 6., 6., 6., 6.])
    """
    return values.sum(tuple(range(-event_dims, 0))) if event_dims else values


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of `hard` with the gradient of `soft` (Bengio et al. 2013, arXiv:1308.3432)."""
    return hard.detach() + (soft - soft.detach())
