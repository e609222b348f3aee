"""Run: from data to a trained, measured, saved model."""

from __future__ import annotations

__all__ = ["Run", "fit", "load", "load_run"]

from vaekit.run.fitting import fit
from vaekit.run.loading import load, load_run
from vaekit.run.run import Run
