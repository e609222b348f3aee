"""Studies: groups of numbers on a trained model beyond its bound and likelihood, each on request."""

from __future__ import annotations

__all__ = ["STUDIES", "Material", "study"]

from vaekit.studies.material import Material
from vaekit.studies.table import STUDIES, study
