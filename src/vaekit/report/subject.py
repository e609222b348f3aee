"""Subject: what a report is about."""

from __future__ import annotations

__all__ = ["Subject"]

from dataclasses import dataclass
from typing import Any

from vaekit.data import Dataset
from vaekit.models import Model


@dataclass(frozen=True)
class Subject:
    """A trained model, its record (run.json), its history's rows, and its data with parts where it may be shown."""

    model: Model
    record: dict[str, Any]
    rows: list[dict[str, Any]]
    data: Dataset | None = None
