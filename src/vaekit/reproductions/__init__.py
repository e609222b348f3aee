"""Reproductions: experiments of papers at a size that two cores can do, each run by `vaekit reproduce ROW`."""

from __future__ import annotations

__all__ = ["ROWS", "Row", "reproduced"]

from vaekit.reproductions import disentanglement, fitted_priors, likelihoods, missing
from vaekit.reproductions.row import Row, reproduced

ROWS = {row.name: row for module in (missing, likelihoods, disentanglement, fitted_priors) for row in module.ROWS}
