"""Disentanglement on data whose factors are known: how far each latent follows one of them."""

from __future__ import annotations

__all__ = ["disentanglement", "known_factors"]

import numpy as np
from numpy.typing import NDArray

from vaekit.data import Dataset
from vaekit.evaluation.disentanglement import disentanglement_numbers
from vaekit.evaluation.number import Number
from vaekit.messages import Mistake
from vaekit.studies.material import Material

ITEMS = 5000
MOST = 100  # a column with more values names items, or is a measurement
LEVELS = 10  # of real-valued factors


def disentanglement(given: Material) -> dict[str, Number]:
    """All scores of the posterior means against the known factors, at most 5,000 items of them, and their chance.

    The items follow the studies' limit only where they are fewer: a score of 32 places wants thousands.

    Raises:
        Mistake: for data without factors.
    """
    items = given.some_of(given.held, ITEMS)
    factors = known_factors(items)
    codes = given.codes_of(items).cpu()
    found = disentanglement_numbers(codes, np.stack(list(factors.values()), 1), seed=given.seed)
    return found | {"factors": Number(len(factors), "", ", ".join(factors), items=len(items))}


def known_factors(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """The columns beside the items that can be factors, name -> levels 0, 1, ... (N,).

    Whole numbers and names count with up to 100 values; real numbers are cut into ten levels of as many items each.
    What is constant, and what names each item, is left out.

    Raises:
        Mistake: where there is none.

    Example:
        >>> from vaekit.data import Bars, Sprites
        >>> list(known_factors(Sprites().dataset(1000)))
        ['shape', 'scale', 'orientation', 'position_x', 'position_y']
        >>> np.bincount(known_factors(Bars().dataset(1000))["bar_0"]).tolist()
        [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]
    """
    found = {name: levels for name, column in dataset.extras.items() if (levels := _levels(column)) is not None}
    if not found:
        raise Mistake(
            f"disentanglement is measured against known factors and {dataset.name!r} has none: give data of "
            "vk.datasets such as 'dsprites', or columns that stand beside those modelled (drop=, --drop)."
        )
    return found


def _levels(column: NDArray[np.generic]) -> NDArray[np.int64] | None:
    """A column as levels, or None where it is no factor."""
    if column.ndim != 1:
        return None
    if column.dtype.kind == "f" and not np.array_equal(column, np.round(column)):  # NaN is not equal either
        if np.isnan(column).any() or len(column) < LEVELS:
            return None
        ranks = np.argsort(np.argsort(column, kind="stable"), kind="stable")
        return (ranks * LEVELS // len(column)).astype(np.int64)
    seen, levels = np.unique(column.astype(str) if column.dtype == object else column, return_inverse=True)
    return levels.astype(np.int64) if 1 < len(seen) <= MOST else None
