"""Context: the columns that condition a model, as one-hot levels and standardised numbers."""

from __future__ import annotations

__all__ = ["Context"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data.arrays import as_column
from vaekit.data.levels import as_numbers, places, unreadable
from vaekit.messages import Mistake, reject_unknown
from vaekit.part import Part

MOST_LEVELS = 50  # whole numbers with more distinct values are numbers
FARTHEST = 5.0  # scales from the mean: a pixel that is nearly always off has a tiny deviation, and would shout when on


class Context(Part):
    """How each field of the context becomes a vector; fitted on the training rows, stored with the model.

    Args:
        fields: for each field either {"levels": [...]}, sorted, or {"mean": m, "scale": s}, lists for vectors,
            with "missing": -1 where that number stands for a missing value.

    Example:
        >>> context = Context.fit({"digit": np.array([2, 0, 1, -1]), "age": np.array([1.0, 3.0, 5.0, np.nan])})
        >>> context.widths
        {'digit': 3, 'age': 1}
        >>> context.encode({"digit": "1", "age": 3.0}, 2)["digit"].tolist()
        [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.fields = {name: dict(field) for name, field in fields.items()}

    @classmethod
    def fit(cls, context: Mapping[str, np.ndarray]) -> Context:
        """The fields of raw columns, (N,) or (N, D).

        Strings, bools and whole numbers of at most 50 distinct values become levels, all else standardised numbers, of
        which none is further than 5 from 0.
        Missing values ("", NaN, and -1 among whole numbers that are else not negative) are left out.

        Raises:
            Mistake: where a field holds no value, or an infinite one.
        """
        return cls({name: _fit(name, values) for name, values in context.items()})

    @property
    def widths(self) -> dict[str, int]:
        """The width of each encoded field."""
        return {name: _width(field) for name, field in self.fields.items()}

    def encode(self, given: Any, n: int) -> dict[str, Tensor]:
        """The fields as float32 tensors (n, width): one-hot levels, standardised numbers, zeros where missing.

        Args:
            given: an array or a single value (for the field "y", or the only one), a dict or a DataFrame of fields;
                one row for n copies, or n rows. Strings such as "3" stand for the number.
            n: the number of rows.

        Raises:
            Mistake: for a missing or unknown field, an unknown level, or another number of rows.
        """
        columns = self._columns(given)
        return {name: _encode(name, field, columns[name], n) for name, field in self.fields.items()}

    def _columns(self, given: Any) -> Mapping[str, Any]:
        names = list(self.fields)
        if given is None:
            given = {}
        if type(given).__name__ == "DataFrame":
            given = {str(name): given[name] for name in given.columns if str(name) in self.fields}
        elif not isinstance(given, Mapping):
            if len(names) != 1 and "y" not in names:
                fields = ", ".join(names) or "no field"
                raise Mistake(
                    f"one column of context was given to a model conditioned on {fields}: give a dict of fields."
                )
            given = {"y" if "y" in names else names[0]: given}
        else:
            reject_unknown("the context of this model", given, names)
        lacking = [name for name in names if name not in given]
        if lacking:
            raise Mistake(
                f"the context lacks {', '.join(lacking)}: this model is conditioned on {', '.join(names)}, "
                "give a value for each."
            )
        return given


def _fit(name: str, values: np.ndarray) -> dict[str, Any]:
    values = as_column(values, f"condition {name!r}", len(values))
    coded = values.ndim == 1 and values.dtype.kind in "iu" and len(values) > 0 and _lone_minus_one(values)
    if values.ndim == 1 and values.dtype.kind in "Ubiu":
        levels = np.unique(values)
        if values.dtype.kind == "U":
            levels = levels[levels != ""]
        elif coded:
            levels = levels[levels != -1]
        if len(levels) == 0:
            raise Mistake(f"condition {name!r} holds no value at all: leave it out.")
        if levels.dtype.kind in "Ub" or len(levels) <= MOST_LEVELS:
            return {"levels": levels.tolist()}
    if values.dtype.kind == "U":
        raise Mistake(f"condition {name!r} holds text of shape {values.shape}: give one string a row.")
    numbers = values.astype(np.float64)
    if coded:
        numbers[values == -1] = np.nan
    if np.isinf(numbers).any():
        raise Mistake(f"condition {name!r} holds infinite values: replace them by numbers, or by NaN where missing.")
    if np.isnan(numbers).all(axis=0).any():
        raise Mistake(f"condition {name!r} holds no value at all in a column: leave it out.")
    mean, scale = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
    scale = np.maximum(scale, np.nanmax(np.abs(numbers - mean), axis=0) / FARTHEST)
    scale = np.where(scale > 0, scale, 1.0)
    return {"mean": mean.tolist(), "scale": scale.tolist()} | ({"missing": -1} if coded else {})


def _lone_minus_one(values: np.ndarray) -> bool:
    negative = np.unique(values[values < 0])
    return len(negative) == 1 and int(negative[0]) == -1


def _width(field: Mapping[str, Any]) -> int:
    if "levels" in field:
        return len(field["levels"])
    return len(field["mean"]) if isinstance(field["mean"], Sequence) else 1


def _encode(name: str, field: Mapping[str, Any], given: Any, n: int) -> Tensor:
    values = _rows(name, given, n, vector=isinstance(field.get("mean"), Sequence))
    if "levels" not in field:
        encoded = torch.from_numpy(_standardise(name, field, values).astype(np.float32))  # (1 or n, width)
    else:
        at = torch.from_numpy(places(name, field["levels"], values))  # (1 or n,), -1 where missing
        encoded = torch.zeros(len(at), len(field["levels"]))
        rows = (at >= 0).nonzero().flatten()
        encoded[rows, at[rows]] = 1.0
    return encoded.repeat(n, 1) if len(encoded) == 1 and n != 1 else encoded  # (n, width)


def _rows(name: str, given: Any, n: int, *, vector: bool) -> np.ndarray:
    if isinstance(given, str | bool | int | float | np.generic) or given is None:
        given = [given]
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if vector or getattr(given, "ndim", 1) == 0:
        given = np.atleast_1d(np.asarray(given))
        given = given[None] if vector and given.ndim == 1 else given
    values = as_column(given, f"context {name!r}", len(given))
    if len(values) not in (1, n):
        raise Mistake(f"context {name!r} has {len(values)} rows for {n} items: give one row for all, or {n}.")
    return values


def _standardise(name: str, field: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
    wrong = unreadable(values)
    if wrong.any():
        raise Mistake(f"context {name!r} is a number, but the text {values[wrong][0].item()!r} was given.")
    mean, scale = np.asarray(field["mean"], dtype=np.float64), np.asarray(field["scale"], dtype=np.float64)
    numbers = as_numbers(values).reshape(len(values), -1)  # (R, width)
    if numbers.shape[1] != mean.size:
        raise Mistake(f"context {name!r} has {numbers.shape[1]} columns: this model takes {mean.size}.")
    if np.isinf(numbers).any():
        raise Mistake(f"context {name!r} holds infinite values: give numbers, or NaN where missing.")
    if "missing" in field:
        numbers[numbers == field["missing"]] = np.nan
    return np.nan_to_num((numbers - mean) / scale, nan=0.0)
