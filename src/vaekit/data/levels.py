"""Levels: which of the known values of a category each value is, whether it comes as a number or as text."""

from __future__ import annotations

__all__ = ["as_numbers", "places", "unreadable"]

from collections.abc import Sequence
from typing import Any

import numpy as np

from vaekit.messages import Mistake, near_miss

TRUTHS = {"true": "1", "false": "0"}


def places(name: str, levels: Sequence[Any], values: np.ndarray) -> np.ndarray:
    """The number of each value's level, -1 where it is missing."""
    if values.ndim != 1:
        raise Mistake(
            f"context {name!r} has shape {values.shape}: give one level a row, for one-hot rows array.argmax(1)."
        )
    known = np.array(levels)
    if known.dtype.kind == "U":
        found = values if values.dtype.kind == "U" else _as_text(values)
        missing = found == ""
    else:
        found, known = as_numbers(values), known.astype(np.float64)
        missing = np.isnan(found) & ~unreadable(values)
        if -1 not in known:
            missing |= found == -1
    order = np.argsort(known)  # levels may come in any order
    nearest = order[np.searchsorted(known, found, sorter=order).clip(0, len(known) - 1)]
    unknown = (known[nearest] != found) & ~missing
    if unknown.any():
        value = values[unknown][0].item()
        close = near_miss(str(value), map(str, levels)) if isinstance(value, str) else None
        hint = f"did you mean {close!r}? " if close else ""
        listed = ", ".join(map(str, levels[:20])) + (f" and {len(levels) - 20} more" if len(levels) > 20 else "")
        raise Mistake(f"context {name!r} has no level {value!r}: {hint}Its levels are {listed}.")
    return np.where(missing, -1, nearest)


def _as_text(values: np.ndarray) -> np.ndarray:
    """Numbers as the strings they stand for: 3.0 is "3"; NaN is missing."""
    if values.dtype.kind != "f":
        return values.astype(str)
    whole = np.isfinite(values) & (values == np.round(values))
    text = np.where(whole, np.where(whole, values, 0).astype(np.int64).astype(str), values.astype(str))
    return np.where(np.isnan(values), "", text)


def as_numbers(values: np.ndarray) -> np.ndarray:
    """Numbers, or strings as the numbers they stand for, NaN where they stand for none; a fresh array."""
    if values.dtype.kind != "U":
        return values.astype(np.float64)
    import pandas as pd

    spelled = pd.Series(values.ravel()).str.strip().str.lower().replace(TRUTHS)
    return pd.to_numeric(spelled, errors="coerce").to_numpy(dtype=np.float64).reshape(values.shape).copy()


def unreadable(values: np.ndarray) -> np.ndarray:
    """Where a string is there that stands for no number."""
    if values.dtype.kind != "U":
        return np.zeros(values.shape, dtype=bool)
    stripped = np.char.strip(values)
    return (stripped != "") & (np.char.lower(stripped) != "nan") & np.isnan(as_numbers(values))
