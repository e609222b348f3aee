"""Subject: what a report is about."""

from __future__ import annotations

__all__ = ["Subject"]

from dataclasses import dataclass
from typing import Any

from vaekit.data import Dataset
from vaekit.models import Model
from vaekit.references import bibtex


@dataclass(frozen=True)
class Subject:
    """A trained model, its record (run.json), its history's rows, and its data with parts where it may be shown."""

    model: Model
    record: dict[str, Any]
    rows: list[dict[str, Any]]
    data: Dataset | None = None

    def citation(self) -> str:
        """BibTeX of the papers behind the recipe, the model's parts and the objective's."""
        return "\n\n".join(map(bibtex, self.record.get("papers") or self.model.papers()))
