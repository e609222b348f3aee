"""History: one record an epoch, in memory and as lines of JSON on the disk."""

from __future__ import annotations

__all__ = ["History", "read_rows", "write_rows"]

import json
import math
from pathlib import Path
from typing import Any

from vaekit.storage import write_atomically


class History:
    """Rows of a run.

    Args:
        path: the file they are appended to, or None.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; a number that is not finite is written as null."""
        self.rows.append(row)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(row))

    def truncate(self, rows: int) -> None:
        """Keep the first rows of the file, as a checkpoint knows them."""
        if self.path is None:
            self.rows = self.rows[:rows]
            return
        self.rows = read_rows(self.path)[:rows]
        write_rows(self.path, self.rows)


def _line(row: dict[str, Any]) -> str:
    return json.dumps({k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}) + "\n"


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write all rows, in place of what was there."""
    write_atomically(path, "".join(_line(row) for row in rows).encode())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a history.jsonl; a last line that was cut off is left out.

    Example:
        >>> read_rows(Path("no such file"))
        []
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
