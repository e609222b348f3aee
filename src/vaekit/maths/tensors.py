"""Small tensor operations that several floors need."""

from __future__ import annotations

__all__ = ["mean_over_items", "rotated", "straight_through", "sum_event"]

from torch import Tensor
from torch.nn.functional import normalize


def sum_event(values: Tensor, event_dims: int) -> Tensor:
    """Sum over the last `event_dims` axes.

    Example:
        >>> import torch
        >>> sum_event(torch.ones(5, 2, 3), 2)
        tensor([6., 6., 6., 6., 6.])
    """
    return values.sum(tuple(range(-event_dims, 0))) if event_dims else values


def mean_over_items(x: Tensor) -> Tensor:
    """The mean over the first axis of what is not NaN; NaN where nothing is there.

    Example:
        >>> import torch
        >>> mean_over_items(torch.tensor([[1.0, 2.0], [float("nan"), 4.0]]))
        tensor([1., 3.])
    """
    mean = x.mean(0)
    return x.nanmean(0) if bool(mean.isnan().any()) else mean  # nanmean takes ten times as long


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of `hard` with the gradient of `soft` (Bengio et al. 2013, arXiv:1308.3432)."""
    return hard.detach() + (soft - soft.detach())


def rotated(hard: Tensor, soft: Tensor) -> Tensor:
    r"""The value of `hard` with the gradient of `soft` turned and scaled as `soft` has to be to reach it.

    .. math:: \tfrac{\|q\|}{\|e\|} R\, e, \quad R = I - 2 r r^T + 2 \hat q \hat e^T, \quad
              r = (\hat e + \hat q) / \|\hat e + \hat q\|

    R and the scale are held constant (Fifty et al. 2024, arXiv:2410.06424).

    Args:
        hard: q, (*leading, D).
        soft: e, (*leading, D).
    """
    q, e = hard.detach(), soft.detach()
    to, at = normalize(q, dim=-1), normalize(e, dim=-1)
    middle = normalize(to + at, dim=-1)
    scale = q.norm(dim=-1, keepdim=True) / e.norm(dim=-1, keepdim=True).clamp_min(1e-6)

    def along(direction: Tensor) -> Tensor:
        return (direction * soft).sum(-1, keepdim=True)

    return straight_through(hard, scale * (soft - 2 * along(middle) * middle + 2 * along(at) * to))
