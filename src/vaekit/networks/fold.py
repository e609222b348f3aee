"""Networks that want one batch axis, applied to (K, B): fold the leading axes, apply, unfold."""

from __future__ import annotations

__all__ = ["fold", "join", "with_context"]

from collections.abc import Callable

import torch
from torch import Tensor


def fold(function: Callable[[Tensor], Tensor], x: Tensor, event_dims: int) -> Tensor:
    """Apply a function of (N, *event) to (*leading, *event).

    Example:
        >>> fold(lambda x: x.sum((1, 2)), torch.ones(4, 5, 2, 3), 2).shape
        torch.Size([4, 5])
    """
    leading = x.shape[: x.ndim - event_dims]
    out = function(x.reshape(-1, *x.shape[x.ndim - event_dims :]))
    return out if len(leading) == 1 else out.reshape(*leading, *out.shape[1:])


def join(x: Tensor, given: tuple[Tensor | None, ...]) -> Tensor:
    """Vectors and their context side by side: (*leading, D) and (B, W) each give (*leading, D + sum W)."""
    parts = [g.to(x.dtype).expand(*x.shape[:-1], g.shape[-1]) for g in given if g is not None]
    return torch.cat([x, *parts], -1) if parts else x


def with_context(x: Tensor, given: tuple[Tensor | None, ...]) -> Tensor:
    """Pictures with their context as constant planes: (B, C, H, W) and (B, W') each give (B, C + sum W', H, W)."""
    planes = [g.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[-2:]) for g in given if g is not None]
    return torch.cat([x, *planes], 1) if planes else x
