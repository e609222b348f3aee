"""Pure functions on tensors."""

from __future__ import annotations

__all__ = ["log_mean_exp", "log_mean_exp_error", "mean_over_items", "rotated", "straight_through", "sum_event"]

from vaekit.maths.logs import log_mean_exp, log_mean_exp_error
from vaekit.maths.tensors import mean_over_items, rotated, straight_through, sum_event
