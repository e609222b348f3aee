"""read: whatever the user has (arrays, tensors, tables, files, folders, names) as a Dataset."""

from __future__ import annotations

__all__ = ["read"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vaekit.data.archives import read_npy, read_npz
from vaekit.data.arrays import aligned, as_column, from_array
from vaekit.data.builtin import BUILTINS, read_builtin
from vaekit.data.csvfile import read_csv
from vaekit.data.dataset import Dataset, check_values
from vaekit.data.folders import read_folder
from vaekit.data.tables import from_frame, read_parquet
from vaekit.messages import ArgumentMistake, Mistake, near_miss

LABELS = ("labels", "label", "y")  # names that stand for the labels a source brings along
TABLES = (".csv", ".parquet")


def read(
    data: Any,
    *,
    labels: Any = None,
    condition: Any = None,
    key: str | None = None,
    id: str | None = None,
    drop: str | Sequence[str] = (),
    columns: Sequence[Any] | None = None,
    size: int | str | Sequence[int] | None = None,
    layout: str | None = None,
    workers: int | None = None,
) -> Dataset:
    """The data as a Dataset, with labels and context attached.

    Args:
        data: a Dataset, numpy array, torch tensor, DataFrame, or the name of a built-in data set or a path
            (.npy, .npz, .csv, .parquet, a folder of images).
        labels: one value a row, or the name of a column; they are not modelled and condition nothing. A Series is
            matched to a DataFrame by the index, all else by the order.
        condition: what the model is conditioned on: a value a row (field "y"), a dict or DataFrame of fields, or
            the name or a list of names of columns; matched like labels.
        key: which array of an .npz archive holds the items.
        id: the column of a table that names its rows.
        drop: columns of a table to leave out.
        columns: exactly the columns of a table to model, all others being left out.
        size: height and width of the images of a folder: a number, "HxW" or (H, W).
        layout: "NCHW" or "NHWC", where an array leaves it open.
        workers: threads that decode the images of a folder.

    Raises:
        Mistake: for what cannot be read, with what was got, what was wanted and what to do.

    Example:
        >>> data = read("digits", condition="digit")
        >>> data, data.context["digit"][:3].tolist()
        (Dataset('digits', image, 1797 items of (8, 8), float32), [0, 1, 2])
    """
    names = _names(condition)
    if (table := _as_table(data, id)) is not None:
        frame, name, origin = table
        aside = [*([labels] if isinstance(labels, str) else []), *(names or ()), *_listed(drop)]
        _reject(name, key=key, size=size, layout=layout)
        dataset = from_frame(frame, name=name, origin=origin, id=id, aside=dict.fromkeys(aside), columns=columns)
    else:
        dataset = _read_other(data, key=key, size=size, layout=layout, workers=workers)
        _reject(dataset.name, id=id, drop=_listed(drop) or None, columns=columns)
    check_values(dataset)
    if labels is not None:
        dataset = replace(dataset, labels=_labels(dataset, labels))
    if condition is not None:
        dataset = replace(dataset, context=_context(dataset, condition, names))
    return dataset


def _as_table(data: Any, id: str | None) -> tuple[Any, str, str] | None:
    if type(data).__name__ == "DataFrame" and hasattr(data, "columns"):
        if not hasattr(data, "iloc"):
            raise ArgumentMistake(f"got a {type(data).__module__} DataFrame: give a pandas one, with .to_pandas().")
        return data, "array", "pandas"
    if isinstance(data, str | Path) and data not in BUILTINS:
        path = Path(data).expanduser()
        if path.suffix.lower() in TABLES and path.is_file():
            csv = path.suffix.lower() == ".csv"
            frame = read_csv(path, text=[] if id is None else [id]) if csv else read_parquet(path)
            return frame, path.stem, "file"
    return None


def _read_other(data: Any, *, key: str | None, size: Any, layout: str | None, workers: int | None) -> Dataset:
    if isinstance(data, str) and data in BUILTINS:
        _reject(data, key=key, size=size, layout=layout)
        return read_builtin(data)
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        if path.is_dir():
            _reject(str(data), key=key, layout=layout)
            return read_folder(path, size=size, workers=workers)
        if not path.exists():
            raise _nowhere(str(data))
        _reject(str(data), size=size)
        if path.suffix.lower() == ".npz":
            return read_npz(path, key=key, layout=layout)
        _reject(str(data), key=key)
        if path.suffix.lower() == ".npy":
            return read_npy(path, layout=layout)
        raise Mistake(
            f"{path} has the suffix {path.suffix!r}, which is not read: "
            "give .npy, .npz, .csv, .parquet, or a folder of images."
        )
    _reject("data in memory", key=key, size=size)
    if isinstance(data, Dataset):
        _reject("a Dataset", layout=layout)
        return data
    if isinstance(data, Tensor):
        return from_array(data, origin="torch", layout=layout)
    if isinstance(data, list | tuple):
        data = _stacked(data)
    if isinstance(data, np.ndarray):
        return from_array(data, layout=layout)
    if type(data).__name__ == "Series":
        raise Mistake("got one column (a Series), one number an item: give a DataFrame, with .to_frame().")
    raise ArgumentMistake(
        f"data is a {type(data).__name__}: give an array, a tensor, a DataFrame, a path, "
        f"or one of {', '.join(BUILTINS)}."
    )


def _stacked(data: Sequence[Any]) -> np.ndarray:
    try:
        return np.asarray(data)
    except ValueError as error:
        raise Mistake(f"a {type(data).__name__} of items of different shapes: give items of one shape.") from error


def _nowhere(name: str) -> Mistake:
    close = near_miss(name, BUILTINS)
    hint = f"did you mean {close!r}? " if close else ""
    return Mistake(
        f"{name!r} is no file, no folder and no built-in data set: {hint}The built-in ones are {', '.join(BUILTINS)}."
    )


def _labels(dataset: Dataset, labels: Any) -> np.ndarray:
    if isinstance(labels, str):
        found = _column(dataset, labels, "labels")
    else:
        found = _values(dataset, labels, "labels")
    if found.ndim != 1:
        raise Mistake(f"labels have shape {found.shape}: give one value a row, for one-hot rows array.argmax(1).")
    return found


def _context(dataset: Dataset, condition: Any, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    if names is not None:
        return {name: _column(dataset, name, "condition") for name in names}
    if isinstance(condition, Mapping) or type(condition).__name__ == "DataFrame":
        given = {str(name): condition[name] for name in getattr(condition, "columns", condition)}
        return {name: _values(dataset, values, f"condition {name!r}") for name, values in given.items()}
    return {"y": _values(dataset, condition, "condition")}


def _values(dataset: Dataset, values: Any, what: str) -> np.ndarray:
    return as_column(aligned(values, dataset.index, what), what, len(dataset))


def _column(dataset: Dataset, name: str, what: str) -> np.ndarray:
    for known in (dataset.extras, dataset.context):
        if name in known:
            return known[name]
    if name in LABELS and dataset.labels is not None:
        return dataset.labels
    own = ["labels"] if dataset.labels is not None else []
    options = list(dict.fromkeys([*dataset.extras, *dataset.context, *own]))
    close = near_miss(name, options)
    hint = f"did you mean {close!r}? " if close else ""
    have = f"It has {', '.join(options)}." if options else "It has none; give an array with one value a row."
    raise Mistake(f"{what}={name!r} names no column beside the items of {dataset.name!r}: {hint}{have}")


def _names(condition: Any) -> list[str] | None:
    """The names of columns in `condition`, or None where it holds values."""
    if isinstance(condition, str):
        return [condition]
    if isinstance(condition, list | tuple) and condition and all(isinstance(name, str) for name in condition):
        return list(condition)
    return None


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _reject(name: str, **given: Any) -> None:
    """An argument that says nothing about this kind of data is a mistake, not ignored."""
    meant = {
        "key": "an .npz archive",
        "size": "a folder of images",
        "layout": "a 4-D array",
        "id": "a table",
        "drop": "a table",
        "columns": "a table",
    }
    for argument, value in given.items():
        if value is not None:
            raise Mistake(f"{argument}={value!r} is for {meant[argument]}, and {name!r} is none: leave it out.")
