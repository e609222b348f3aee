"""What a recipe's models can do, known before there is any data."""

from __future__ import annotations

__all__ = ["traits"]

import functools
from typing import Any

import torch

from vaekit import recipes


@functools.lru_cache(maxsize=64)
def traits(recipe: Any) -> tuple[bool, bool]:
    """Whether a small model of a recipe has a density, and whether it takes NaN.

    Args:
        recipe: a name, or a function that returns a Recipe; of "auto", what it may choose.

    Example:
        >>> traits("vae"), traits("pca"), traits("miwae")
        ((True, False), (False, False), (True, True))
    """
    if recipe == "auto":
        return True, True
    for shape in ((4,), (16, 16)):
        try:
            with torch.random.fork_rng(devices=[]):
                function = getattr(recipes, recipe) if isinstance(recipe, str) else recipe
                model = function(shape=shape).model
            return model.has_density, model.takes_missing
        except Exception:  # whatever is wrong with a recipe is said where it is built for data
            continue
    return True, False
