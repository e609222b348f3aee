"""Arrays and tensors as a Dataset: storage types, image layouts, and columns of labels or context."""

from __future__ import annotations

__all__ = ["aligned", "as_column", "as_storage", "from_array"]

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data.dataset import Dataset, graph_fault
from vaekit.messages import Mistake

CHANNELS = (1, 3, 4)
LAYOUTS = ("NCHW", "NHWC")
EXACT = 2**24  # float32 holds the whole numbers up to here


def from_array(
    array: np.ndarray | Tensor, *, name: str = "array", origin: str = "numpy", layout: str | None = None
) -> Dataset:
    """A Dataset of an array: (N, D) is a table, (N, H, W) grey images, 4-D images.

    (1, N, N) of 0 and 1, symmetric with 0 on the diagonal and not all 0, is one graph.

    Args:
        array: the items. Torch tensors are NCHW; the layout of a 4-D numpy array is read off its channels.
        name: what messages call it.
        origin: how it was given.
        layout: "NCHW" or "NHWC" for 4-D arrays that leave it open.

    Raises:
        Mistake: where the shape or the type is none of these, or the layout is open.

    Example:
        >>> from_array(np.zeros((5, 8, 8, 3), dtype=np.uint8))
        Dataset('array', image, 5 items of (3, 8, 8), uint8)
    """
    if layout is not None and layout not in LAYOUTS:
        raise Mistake(f"layout={layout!r} is unknown: give 'NCHW' (channels first) or 'NHWC' (channels last).")
    if array.ndim == 1:
        raise Mistake(
            f"{name!r} has shape {tuple(array.shape)}, one number an item: "
            "give (N, D), for a single column array.reshape(-1, 1), for a single item array.reshape(1, -1)."
        )
    if array.ndim not in (2, 3, 4):
        raise Mistake(
            f"{name!r} has shape {tuple(array.shape)}: give a table (N, D), "
            "grey images (N, H, W), or images (N, H, W, C) or (N, C, H, W)."
        )
    x = as_storage(array, name)
    kept = None
    if x.dim() == 4:
        kept = (layout or "NCHW") if isinstance(array, Tensor) else (layout or _layout(name, tuple(x.shape)))
        if kept == "NHWC":
            x = x.permute(0, 3, 1, 2).contiguous()  # (N, C, H, W)
    one = x.dim() == 3 and len(x) == 1 and x.shape[1] == x.shape[2]
    graph = one and graph_fault(x) is None and bool((x == 1).any())
    return Dataset(
        name=name,
        x=x,
        kind="table" if x.dim() == 2 else "graph" if graph else "image",
        layout="NHWC" if kept == "NHWC" else None,
        index=range(len(x)),
        origin=origin,
    )


def as_storage(array: np.ndarray | Tensor, name: str) -> Tensor:
    """The array as a tensor of uint8, float32 or float64 on the CPU, without a copy where none is needed."""
    if isinstance(array, Tensor):
        tensor = array.detach().cpu()
        if tensor.layout is torch.strided and tensor.dtype in (torch.int32, torch.int64):
            return as_storage(tensor.numpy(), name)
        if tensor.is_complex() or tensor.is_quantized or tensor.is_sparse:
            raise Mistake(f"{name!r} is a tensor of {tensor.dtype} ({tensor.layout}): give dense real numbers.")
    else:
        if isinstance(array, np.ma.MaskedArray):  # np.asarray would let masked values pass as real ones
            masked = np.ma.getmaskarray(array)
            array = np.where(masked, np.nan, array.data) if masked.any() else array.data
        if array.dtype.kind not in "biuf":
            raise Mistake(f"{name!r} holds {array.dtype} values: give numbers, such as float32 or uint8.")
        if array.dtype.kind in "iu" and array.dtype != np.uint8:
            wide = array.size and max(int(array.max()), -int(array.min())) > EXACT
            array = array.astype(np.float64 if wide else np.float32)
        elif array.dtype.kind == "f" and array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    if tensor.dtype in (torch.uint8, torch.float32, torch.float64):
        return tensor
    return tensor.to(torch.uint8 if tensor.dtype is torch.bool else torch.float32)


def as_column(values: Any, what: str, n: int) -> np.ndarray:
    """Labels or a field of context as an array (n,) or (n, D) of numbers, bools or strings.

    Missing values are "" among strings and NaN among numbers.

    Raises:
        Mistake: where it is no column of n rows.

    Example:
        >>> as_column(["cat", None, "dog"], "labels", 3).tolist()
        ['cat', '', 'dog']
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    array = values.to_numpy() if type(values).__name__ == "DataFrame" else values
    if not isinstance(array, np.ndarray):
        kept = getattr(array, "dtype", None)
        array = np.asarray(array) if isinstance(kept, np.dtype) else _plain(array, what)
    if array.dtype.kind not in "biufU":
        array = array.astype(str) if array.dtype.kind in "SM" else _plain(array, what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or len(array) != n:
        got = f"shape {array.shape}" if array.ndim != 1 else f"{len(array)} values"
        raise Mistake(f"{what} has {got} for {n} rows of data: give one value a row, in the order of the rows.")
    return array


def aligned(values: Any, index: Any, what: str) -> Any:
    """A Series or DataFrame in the order of the data's index; all else, and what has no index of its own, as it is.

    Raises:
        Mistake: where both have an index and these do not hold the same labels, each once.

    Example:
        >>> import pandas as pd
        >>> aligned(pd.Series([1, 2], index=["u", "v"]), pd.Index(["v", "u"]), "labels").tolist()
        [2, 1]
    """
    if type(values).__name__ not in ("Series", "DataFrame") or not hasattr(index, "equals"):
        return values
    own = values.index
    if len(own) != len(index) or own.equals(index):
        return values
    if own.is_unique and index.is_unique and bool(own.isin(index).all()):
        return values.reindex(index)
    if any(labels.equals(type(labels)(range(len(labels)))) for labels in (own, index)):
        return values  # rows that are only counted
    raise Mistake(
        f"{what} and the data have another index (such as {own[0]!r} and {index[0]!r} in the first row): give both the "
        f"same one, or {what} in the order of the rows, with .to_numpy()."
    )


def _layout(name: str, shape: tuple[int, ...]) -> str:
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first == last:
        why = "both the second and the last axis" if first else "neither the second nor the last axis"
        raise Mistake(
            f"are the channels of {name!r}, of shape {shape}, first or last? {why.capitalize()} could be channels "
            "(1, 3 or 4): say layout='NCHW' or layout='NHWC'."
        )
    return "NCHW" if first else "NHWC"


def _plain(values: Any, what: str) -> np.ndarray:
    """Lists, object arrays and pandas' own types as plain numbers or strings."""
    import pandas as pd

    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise Mistake(f"{what} holds {values.dtype} values of shape {values.shape}: give numbers or strings.")
    try:
        series = pd.Series(values)
    except (TypeError, ValueError) as error:
        raise Mistake(f"{what} is a {type(values).__name__}: give one number or string a row.") from error
    series = series.astype(object)
    series = series.where(series.notna(), np.nan).infer_objects()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy()
    nested = series.map(lambda value: isinstance(value, list | tuple | np.ndarray | Tensor | dict))
    if bool(nested.any()):
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array
        raise Mistake(f"{what} holds {type(values[0]).__name__} values: give one number or string a row.")
    return series.where(series.notna(), "").astype(str).to_numpy(dtype=str)
