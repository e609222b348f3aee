"""Number: a measured value with its unit, its error and how it was measured."""

from __future__ import annotations

__all__ = ["Number", "flat", "mean_error", "mean_number"]

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Number:
    """What one measurement gave.

    Attributes:
        value: None where it is undefined; `how` then says why.
        unit: "nats", "bits", "share", "distance in features", ... ; "" for a plain number.
        how: the protocol in one line: what was compared, by which estimator, with how many of what.
        se: the standard error, where there is one.
        items: how many items it was measured on.

    Example:
        >>> print(Number(1.23456, "nats", "one draw an item", se=0.012, items=100))
        1.235 +- 0.012 nats (one draw an item; 100 items)
    """

    value: float | None
    unit: str
    how: str
    se: float | None = None
    items: int | None = None

    def __str__(self) -> str:
        shown = "undefined" if self.value is None else f"{self.value:.4g}"
        error = "" if self.se is None else f" +- {self.se:.2g}"
        items = "" if self.items is None else f"; {self.items:,} items"
        return f"{shown}{error}{' ' + self.unit if self.unit else ''} ({self.how}{items})"


def flat(numbers: Mapping[str, Number]) -> dict[str, Any]:
    """name -> value and name_se -> error, for records and JSON.

    Example:
        >>> flat({"fd": Number(2.0, "", "Frechet distance", se=0.5)})
        {'fd': 2.0, 'fd_se': 0.5}
    """
    found: dict[str, Any] = {}
    for name, number in numbers.items():
        found[name] = number.value
        if number.se is not None:
            found[f"{name}_se"] = number.se
    return found


def mean_error(values: Tensor) -> float | None:
    """The standard error of the mean of (B,) values; None of a single one."""
    return float(values.std() / math.sqrt(len(values))) if len(values) > 1 else None


def mean_number(values: Tensor, unit: str, how: str) -> Number:
    """The mean of (N,) values and its standard error over them.

    Example:
        >>> import torch
        >>> print(mean_number(torch.tensor([1.0, 3.0]), "nats", "two items"))
        2 +- 1 nats (two items; 2 items)
    """
    return Number(float(values.mean()), unit, how, se=mean_error(values), items=len(values))
