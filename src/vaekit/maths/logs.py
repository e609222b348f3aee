"""Means of exponentials, taken in the log domain, and the error that such a mean has."""

from __future__ import annotations

__all__ = ["log_mean_exp", "log_mean_exp_error"]

import math

import torch
from torch import Tensor


def log_mean_exp(log_w: Tensor, dim: int = 0) -> Tensor:
    """log of the mean of exp(log_w) along one axis.

    Example:
        >>> log_mean_exp(torch.log(torch.tensor([1.0, 3.0]))).exp().item()
        2.0
    """
    return torch.logsumexp(log_w, dim) - math.log(log_w.shape[dim])


def log_mean_exp_error(log_w: Tensor) -> Tensor:
    """Standard error over the K draws of `log_mean_exp(log_w)`, by the delta method.

    Args:
        log_w: (K, B) log weights.

    Returns:
        (B,) sd(w) / (sqrt(K) mean(w)); NaN where K is 1.
    """
    k = log_w.shape[0]
    if k == 1:
        return torch.full_like(log_w[0], math.nan)
    w = (log_w - log_w.max(0).values).exp()  # (K, B)
    return w.std(0) / w.mean(0) / math.sqrt(k)
