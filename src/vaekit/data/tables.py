"""Tables as a Dataset: DataFrames and .parquet files, whose numeric columns are modelled."""

from __future__ import annotations

__all__ = ["from_frame", "read_parquet"]

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaekit.data.arrays import as_column, as_storage
from vaekit.data.dataset import Dataset
from vaekit.messages import Mistake, near_miss, optional

if TYPE_CHECKING:
    import pandas as pd

THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
DECIMAL = re.compile(r"[-+]?\d*,\d+")


def read_parquet(path: Path) -> pd.DataFrame:
    """A .parquet file."""
    import pandas as pd

    arrow = optional("pyarrow", extra="parquet")
    try:
        return pd.read_parquet(path)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise Mistake(f"{path} cannot be read as parquet ({str(error).strip()}): copy or export it again.") from error


def from_frame(
    frame: pd.DataFrame,
    *,
    name: str = "array",
    origin: str = "pandas",
    id: str | None = None,
    aside: Iterable[str] = (),
    columns: Sequence[Any] | None = None,
) -> Dataset:
    """A Dataset of the numeric columns of a DataFrame; true and false become 1 and 0.

    Args:
        frame: the table; a row an item.
        name: what messages call it.
        origin: how it was given.
        id: the column that names the rows, else they keep the frame's index.
        aside: columns that are not modelled (labels, context, dropped ones); they become extras.
        columns: exactly the columns to model, all others being left out; else all that are not aside.

    Raises:
        Mistake: where a column is missing, or text is left among the modelled ones.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [31, None], "smokes": [True, False], "town": ["Ulm", "Bonn"]})
        >>> data = from_frame(frame, aside=["town"])
        >>> data.columns, data.x.tolist(), data.extras["town"].tolist()
        (('age', 'smokes'), [[31.0, 1.0], [nan, 0.0]], ['Ulm', 'Bonn'])
    """
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].tolist()
        raise Mistake(f"{name!r} has two columns of the name {twice[0]!r}: rename one.")
    if len(frame) == 0:
        raise Mistake(f"{name!r} has no rows: give a table with at least one row below its column names.")
    by_name = {str(column): column for column in frame.columns}
    if id is not None:
        frame = frame.set_index(_find(by_name, [id], f"{name!r}")[0])
        by_name.pop(str(id))
    extras = {str(column): column for column in _find(by_name, aside, f"{name!r}")}
    if columns is None:
        modelled = [column for column in frame.columns if str(column) not in extras]
    else:
        modelled = _find(by_name, columns, f"{name!r}")
    if not modelled:
        raise Mistake(f"{name!r} has no column left to model: its columns are {_listing(by_name)}.")
    values = _values(frame[modelled], name)
    return Dataset(
        name=name,
        x=as_storage(values, name),
        kind="table",
        index=frame.index,
        columns=tuple(modelled),
        origin=origin,
        extras={key: as_column(frame[column], f"column {key!r}", len(frame)) for key, column in extras.items()},
    )


def _find(by_name: dict[str, Any], wanted: Iterable[Any], what: str) -> list[Any]:
    found = []
    for name in wanted:
        if str(name) not in by_name:
            close = near_miss(str(name), by_name)
            hint = f"did you mean {close!r}? " if close else ""
            raise Mistake(f"{what} has no column {str(name)!r}: {hint}Its columns are {_listing(by_name)}.")
        found.append(by_name[str(name)])
    return found


def _values(frame: pd.DataFrame, name: str) -> np.ndarray:
    """The columns as one array (N, D), without loss: float64 unless all are small enough for less."""
    import pandas as pd

    frame = frame.assign(
        **{str(c): frame[c].astype(float) for c in frame.columns if isinstance(c, str) and _blank_bools(frame[c])}
    )
    text = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c].dtype)]
    if text:
        some = frame[text[0]].dropna()
        seen = pd.to_numeric(some, errors="coerce")
        odd = some[seen.isna()]
        sample = f", such as {str((odd if len(odd) else some).iloc[0])!r}" if len(some) else ""
        names = [str(c) for c in text]
        listed = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        some_are = "columns" if len(names) > 1 else "column"
        everything = " It has no numeric column at all." if len(text) == len(frame.columns) else ""
        raise Mistake(
            f"{some_are} {listed} of {name!r} hold{'' if len(names) > 1 else 's'} no numbers (in {names[0]!r} "
            f"{frame[text[0]].dtype} values{sample}): leave them out with drop={names[:5]!r} (--drop), or use them as "
            f"labels (--labels), condition (--condition) or id (--id).{everything}{_commas(odd)}"
        )
    kinds = {str(dtype) for dtype in frame.dtypes}
    if kinds <= {"bool", "uint8"}:
        return frame.to_numpy(dtype=np.uint8)
    if kinds <= {"bool", "uint8", "int8", "int16", "float16", "float32"}:
        return frame.to_numpy(dtype=np.float32)
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _commas(values: pd.Series[Any]) -> str:
    """What is to be said of text that is numbers but for their commas."""
    spelled = [str(value).strip() for value in values]
    for pattern, what, instead in (
        (THOUSANDS, "thousands separators", "without"),
        (DECIMAL, "decimal commas", "with decimal points"),
    ):
        if spelled and all(map(pattern.fullmatch, spelled)):
            return f" These look like numbers with {what}: write them {instead}."
    return ""


def _blank_bools(column: pd.Series[Any]) -> bool:
    """True and false with blanks between them are read as objects."""
    if column.dtype != object:
        return False
    values = column.dropna()
    return len(values) > 0 and bool(values.map(lambda value: isinstance(value, bool)).all())


def _listing(names: Iterable[str], limit: int = 12) -> str:
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
