"""Dataset: the items to be modelled with what is known about them, and the way back into the user's kind of data."""

from __future__ import annotations

__all__ = ["Dataset", "check", "frame_like", "graph_fault", "restore"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.messages import Mistake

LARGEST = 1e200  # what is larger overflows even in float64 on the way


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items on the CPU in their storage type, with labels, context, named splits and row names.

    Attributes:
        name: "digits", "mnist", the stem of a file, the name of a folder, or "array".
        x: (N, *shape); images (N, C, H, W) or grey (N, H, W), tables (N, D); uint8, float32 or float64;
            NaN where missing.
        kind: "image", "table" or "graph", whose items are adjacency matrices (N, N).
        layout: "NHWC" where the user's images have their channels last, else None.
        labels: (N,) numbers or strings; -1, NaN or "" where missing.
        context: columns that condition the model, a field each, (N,) or (N, D).
        parts: row numbers of the splits that the source itself names: "train", "valid", "test".
        index: id, index value or file name of each row: a range, a pandas Index, or an array.
        columns: labels of the modelled columns of a table, as pandas holds them; else None.
        origin: how it was given: "numpy", "torch", "pandas", "file", "folder" or "builtin".
        extras: named columns that the source has and that are neither modelled nor context.
    """

    name: str
    x: Tensor
    kind: str
    layout: str | None = None
    labels: np.ndarray | None = None
    context: dict[str, np.ndarray] = field(default_factory=dict)
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    index: Any = range(0)
    columns: tuple[Any, ...] | None = None
    origin: str = "numpy"
    extras: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        dtype = str(self.x.dtype).removeprefix("torch.")
        return f"Dataset({self.name!r}, {self.kind}, {len(self)} items of {self.shape}, {dtype})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one item, channels first."""
        return tuple(self.x.shape[1:])

    def take(self, rows: np.ndarray | Sequence[int] | slice) -> Dataset:
        """The given rows, in the given order, as data of their own: named splits do not come along.

        Example:
            >>> data = Dataset("array", torch.arange(6.0).reshape(3, 2), "table", index=range(3))
            >>> taken = data.take([2, 0])
            >>> taken.x.tolist(), taken.index.tolist()
            ([[4.0, 5.0], [0.0, 1.0]], [2, 0])
        """
        rows = np.arange(len(self))[rows]
        index = np.asarray(self.index) if isinstance(self.index, range) else self.index
        return Dataset(
            name=self.name,
            x=self.x[torch.from_numpy(rows)],
            kind=self.kind,
            layout=self.layout,
            labels=None if self.labels is None else self.labels[rows],
            context={name: values[rows] for name, values in self.context.items()},
            index=index[rows],
            columns=self.columns,
            origin=self.origin,
            extras={name: values[rows] for name, values in self.extras.items()},
        )


def restore(dataset: Dataset, values: Tensor) -> Any:
    """Values in the shape of the items, in the user's kind of data.

    A table with named columns gives a DataFrame with its index, a torch tensor a tensor, all else an array;
    images go back into the user's layout.

    Args:
        dataset: what the user gave.
        values: (..., M, *shape); with M = N rows the index is kept.

    Example:
        >>> data = Dataset("array", torch.zeros(2, 3, 8, 8), "image", layout="NHWC", index=range(2))
        >>> restore(data, torch.zeros(5, 3, 8, 8)).shape
        (5, 8, 8, 3)
    """
    values = values.detach().cpu()
    if dataset.columns is not None:
        return _frame(dataset, values, dataset.columns)
    if dataset.layout == "NHWC":
        values = values.movedim(-3, -1)  # (..., M, H, W, C)
    return values if dataset.origin == "torch" else np.ascontiguousarray(values.numpy())


def frame_like(dataset: Dataset, values: Tensor, names: Sequence[str]) -> Any:
    """Values that are no items, such as latents or scores, in the user's kind of data.

    Args:
        dataset: what the user gave.
        values: (M, len(names)); with M = N rows the index is kept.
        names: a name for each column, used where the user's kind has names.
    """
    values = values.detach().cpu()
    if dataset.columns is not None:
        return _frame(dataset, values, names)
    return values if dataset.origin == "torch" else values.numpy()


def check(dataset: Dataset) -> None:
    """Raise Mistake where nothing can be learned: one row, a column without values, all columns constant.

    Of graphs one is enough, but each needs a known pair of nodes.
    """
    if dataset.kind == "graph":
        check_values(dataset)
        known = (~dataset.x.isnan()).triu(1).flatten(1).any(1)
        if not bool(known.all()):
            blind = int((~known).nonzero()[0])
            raise Mistake(f"no pair of nodes is known of graph {blind} of {dataset.name!r}: leave it out.")
        return
    if len(dataset) == 1:
        square = len(dataset.shape) == 2 and dataset.shape[0] == dataset.shape[1] > 1
        fault = (graph_fault(dataset.x) or "has no links") if square else None
        raise Mistake(
            f"{dataset.name!r} holds one item, which can be neither split nor trained on: "
            "give at least two, and some hundreds for a useful model."
            + (f" Should it be one graph, of which one is enough: as an adjacency matrix it {fault}" if fault else "")
        )
    if not _varies(dataset.x[:64]):  # the first rows nearly always decide, without a pass over all
        if not _varies(dataset.x):
            raise Mistake(
                f"every column of {dataset.name!r} is constant over its {len(dataset)} rows, so that there is "
                "nothing to learn: give data that vary."
            )
    if dataset.kind == "table" and dataset.x.is_floating_point():
        blank = torch.isnan(dataset.x).all(0).nonzero().flatten().tolist()
        if blank:
            names = [dataset.columns[i] if dataset.columns else i for i in blank]
            raise Mistake(
                f"column {names[0]!r} of {dataset.name!r} holds no value at all: "
                f"leave it out, with drop={names[:5]!r} (--drop) where columns have names."
            )


def graph_fault(x: Tensor) -> str | None:
    """Why matrices (M, N, N) are not those of undirected graphs without loops, with the remedy; None where they are.

    Example:
        >>> graph_fault(torch.eye(3).unsqueeze(0))
        'links nodes to themselves: set the diagonal to 0.'
    """
    unknown = x.isnan()
    if bool((~unknown & (x != 0) & (x != 1)).any()):
        return "holds weights that are not 0 or 1: say which links there are, such as (A > 0)."
    if bool(((x != x.mT) & ~(unknown & unknown.mT)).any()):
        return "holds links that go one way: make them symmetric, such as np.maximum(A, A.T)."
    if bool((x.diagonal(dim1=-2, dim2=-1) > 0).any()):
        return "links nodes to themselves: set the diagonal to 0."
    return None


def check_values(dataset: Dataset) -> None:
    """Raise Mistake for what no use of data allows: no rows, no columns, infinite or huge values. NaN is kept."""
    if len(dataset) == 0:
        raise Mistake(f"{dataset.name!r} has no rows: got shape {tuple(dataset.x.shape)}, give at least one item.")
    if 0 in dataset.shape:
        raise Mistake(f"the items of {dataset.name!r} are empty: got shape {tuple(dataset.x.shape)}.")
    if not dataset.x.is_floating_point():
        return
    where = torch.isinf(dataset.x)
    if bool(where.any()):
        first = where.nonzero()[0].tolist()
        column = "" if dataset.columns is None else f" (column {dataset.columns[first[1]]!r})"
        raise Mistake(
            f"{dataset.name!r} holds {int(where.sum())} infinite values, the first at {tuple(first)}{column}: "
            "replace them by numbers, or by NaN where the value is missing."
        )
    huge = dataset.x.abs() > LARGEST if dataset.x.dtype == torch.float64 else where
    if bool(huge.any()):
        row, *place = huge.nonzero()[0].tolist()
        column = place[0] if dataset.columns is None else repr(dataset.columns[place[0]])
        at = f"column {column}" if dataset.kind == "table" else f"pixel {tuple(place)}"
        raise Mistake(
            f"{dataset.name!r} holds {float(dataset.x[row][tuple(place)]):.4g} in row {row} (counted from 0), {at}, "
            f"which is too large to compute with: correct it, or rescale the values to less than {LARGEST:g}."
        )


def _varies(x: Tensor) -> bool:
    """Whether any column of x (N, *shape) holds two different values; NaN counts as no value."""
    x = x.flatten(1) if x.dim() > 1 else x[:, None]  # (N, D)
    if not x.is_floating_point():
        return bool((x != x[:1]).any())
    missing = torch.isnan(x)
    low = x.masked_fill(missing, torch.inf).amin(0)
    high = x.masked_fill(missing, -torch.inf).amax(0)
    return bool((low < high).any())


def _frame(dataset: Dataset, values: Tensor, names: Sequence[Any]) -> Any:
    import pandas as pd

    index = dataset.index if len(values) == len(dataset) else None
    return pd.DataFrame(values.numpy(), index=index, columns=list(names))
