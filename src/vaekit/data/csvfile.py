"""Text tables as pandas reads them, once their encoding, their separator and their line of names are certain."""

from __future__ import annotations

__all__ = ["read_csv"]

import csv
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaekit.messages import Mistake

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t")
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # the marks at the start of a file, which Excel writes


def read_csv(path: Path, *, text: Iterable[str] = ()) -> pd.DataFrame:
    """A .csv file with one line of column names; blank cells are missing values.

    Fields are separated by commas, semicolons or tabs; the encoding is UTF-8, or UTF-16 with its mark.

    Args:
        path: the file.
        text: columns that are kept as they are written, such as ids with leading zeros.

    Raises:
        Mistake: where there are no names, two of one name, or more values than names; or no readable text.
    """
    import pandas as pd

    try:
        with path.open("rb") as stream:
            encoding = "utf-16" if stream.read(2) in UTF16 else "utf-8-sig"
        separator, names = _layout(path, encoding)
        # without index_col=False pandas takes a surplus first column for the index and shifts the names
        how: dict[str, Any] = {"sep": separator, "encoding": encoding, "skipinitialspace": True, "index_col": False}
        frame = pd.read_csv(path, **how)
        names = [name or f"Unnamed: {i}" for i, name in enumerate(names)]  # what pandas calls a nameless column
        if kept := [name for name in text if name in names]:  # read apart, since "NA" is a missing value elsewhere
            frame[kept] = pd.read_csv(path, **how, usecols=kept, dtype=str, keep_default_na=False)[kept]
        return frame
    except pd.errors.EmptyDataError as error:
        raise Mistake(f"{path} is empty: give a line of column names and a line for each row.") from error
    except UnicodeError as error:
        why = f"{error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Mistake(f"{path} is no UTF-8 text ({why}): save it as UTF-8.") from error
    except Mistake:
        raise
    except (pd.errors.ParserError, csv.Error, OSError, ValueError) as error:
        raise Mistake(f"{path} cannot be read as a table ({str(error).strip()}): mend or re-export it.") from error


def _layout(path: Path, encoding: str) -> tuple[str, list[str]]:
    """The separator and the names of the columns, checked against the first row."""
    found = []
    for separator in SEPARATORS:
        with path.open(encoding=encoding, newline="") as stream:
            rows = csv.reader(stream, delimiter=separator, skipinitialspace=True)
            top = list(islice((row for row in rows if any(cell.strip() for cell in row)), 2))
        names, first = top[0] if top else [], top[1] if len(top) > 1 else []
        found.append((len(names) == len(first) > 1, min(len(names), len(first)), separator, names, first))
    _, _, separator, names, first = max(found, key=lambda one: one[:2])  # the comma where nothing decides
    twice = [name for i, name in enumerate(names) if name and name in names[:i]]
    if twice:  # pandas would rename the second
        raise Mistake(f"{path} has two columns of the name {twice[0]!r}: rename one.")
    if names and all(map(_is_number, names)) and not _is_count(names):
        raise Mistake(
            f"the first line of {path} looks like data, not column names ({', '.join(names[:3])}"
            f"{', ...' if len(names) > 3 else ''}): add a line of names above it."
        )
    if len(first) > len(names):
        comma = "" if first[-1].strip() else ", the last one blank"
        raise Mistake(
            f"the first row of {path} has {len(first)} values{comma}, and there are {len(names)} column names: give "
            "each column a name (row names too), and end no row with a separator."
        )
    return separator, names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_count(names: list[str]) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ...: the names that pandas gives to columns without names."""
    return any(names == [str(i + start) for i in range(len(names))] for start in (0, 1))
