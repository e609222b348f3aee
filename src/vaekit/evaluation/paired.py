"""Models compared on the same items: the mean difference, whose error is far below that of either mean."""

from __future__ import annotations

__all__ = ["paired_differences"]

import math
from collections.abc import Mapping

from torch import Tensor

from vaekit.evaluation.number import Number
from vaekit.messages import Mistake


def paired_differences(scores: Mapping[str, Tensor], *, unit: str = "nats") -> dict[str, Number]:
    """Each model's mean score minus that of the lowest, over the same items.

    Args:
        scores: name -> (N,), the score of the same items in the same order, low is good.
        unit: of the scores.

    Returns:
        name -> the difference and its standard error over the items; 0 and no error for the lowest itself.

    Raises:
        Mistake: where the numbers of items differ.

    Example:
        >>> import torch
        >>> a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.5, 2.5, 3.8])
        >>> print(paired_differences({"a": a, "b": b})["b"])
        0.6 +- 0.1 nats (paired with a; 3 items)
    """
    sizes = {name: len(score) for name, score in scores.items()}
    if len(set(sizes.values())) > 1:
        raise Mistake(f"got scores of {sizes} items and wanted those of the same items for each.")
    best = min(scores, key=lambda name: float(scores[name].double().mean()))
    found = {}
    for name, score in scores.items():
        gap = score.double() - scores[best].double()
        error = float(gap.std() / math.sqrt(len(gap))) if name != best and len(gap) > 1 else None
        found[name] = Number(float(gap.mean()), unit, f"paired with {best}", se=error, items=len(gap))
    return found
